-- After a delivery: what it came to, and the end of its lease.
-- KEYS: the record, the lease, what waits for a retry. ARGV: the token, the record, how long it is retained in milliseconds, the
-- beginning of the record of what was accepted, the name of the notification, until when it waits for a retry, or nothing.
-- The answer is how many notifications wait for a retry.
local known = redis.call('GET', KEYS[1])
local lease = redis.call('GET', KEYS[2])
local is_known_accepted = known and string.sub(known, 1, #ARGV[4]) == ARGV[4]
local is_accepted = string.sub(ARGV[2], 1, #ARGV[4]) == ARGV[4]
-- That the app accepted is true whoever saw it. That a delivery failed may be said by whoever has the lease; one that hung
-- until it was over says nothing where others were at it meanwhile.
if not is_known_accepted and (is_accepted or lease == ARGV[1] or not (lease or known)) then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    if ARGV[6] ~= '' then
        redis.call('ZADD', KEYS[3], ARGV[6], ARGV[5])
    else
        redis.call('ZREM', KEYS[3], ARGV[5])
    end
end
if lease == ARGV[1] then
    redis.call('DEL', KEYS[2])
end
return redis.call('ZCARD', KEYS[3])
