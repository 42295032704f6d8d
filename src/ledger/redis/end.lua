-- After a delivery: what it came to, and the end of its lease.
-- KEYS: the record, the lease, what waits for a retry, the index of all events that are kept.
-- ARGV: the token, the record, how long it is retained in milliseconds, the beginning of the record of what was accepted, the
-- name of the notification, whether it waits for a retry, or nothing; of an event that is to be kept, what is known of it, or
-- nothing, and its body; how many events and how many KiB may be kept, and for how many seconds.
-- The answer is how many notifications wait for a retry, how many events are kept, and of each that made room its name and what
-- is known of it.
local function keep(index, name, now)
    local length = math.ceil((#ARGV[7] + #ARGV[8]) / 1024)
    local since = forget(index, name) or now
    -- One that is too long by itself does not cost the others their places.
    if length > tonumber(ARGV[10]) then
        return { name, ARGV[7] }
    end
    redis.call('ZADD', index, since * UNIT + length, name)
    redis.call('ZINCRBY', index, length, 'all')
    redis.call('EXPIRE', index, ARGV[11] + GRACE)
    redis.call('HSET', event_of(index, name), 'kept', ARGV[7], 'body', ARGV[8])
    redis.call('EXPIRE', event_of(index, name), math.max(since + ARGV[11] + GRACE - now, 1))
    local dropped = {}
    while count(index) > tonumber(ARGV[9]) or tonumber(redis.call('ZSCORE', index, 'all') or 0) > tonumber(ARGV[10]) do
        drop(index, redis.call('ZRANGE', index, 1, 1)[1], dropped)
    end
    return dropped
end

local known = redis.call('GET', KEYS[1])
local lease = redis.call('GET', KEYS[2])
local is_known_accepted = known and string.sub(known, 1, #ARGV[4]) == ARGV[4]
local is_accepted = string.sub(ARGV[2], 1, #ARGV[4]) == ARGV[4]
local dropped = {}
-- That the app accepted is true whoever saw it. That a delivery failed may be said by whoever has the lease; one that hung
-- until it was over says nothing where others were at it meanwhile.
if not is_known_accepted and (is_accepted or lease == ARGV[1] or not (lease or known)) then
    if known and not is_accepted then
        -- From its first sight on, whatever the clock of whoever sees it again says.
        redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
    else
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    end
    local now = tonumber(redis.call('TIME')[1])
    if ARGV[6] ~= '' then
        redis.call('ZADD', KEYS[3], 'NX', now + math.ceil(ARGV[3] / 1000), ARGV[5])
        redis.call('EXPIRE', KEYS[3], ARGV[11] + GRACE)
    else
        redis.call('ZREM', KEYS[3], ARGV[5])
    end
    if ARGV[7] ~= '' then
        dropped = keep(KEYS[4], ARGV[5], now)
    end
end
if is_accepted or is_known_accepted then
    forget(KEYS[4], ARGV[5])
end
if lease == ARGV[1] then
    redis.call('DEL', KEYS[2])
end
return { redis.call('ZCARD', KEYS[3]), count(KEYS[4]), dropped }
