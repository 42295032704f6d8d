-- Before a delivery: what is known of it, and the lease for it.
-- KEYS: the record, the lease. ARGV: the token, the beginning of the tokens of this process, how long the lease lasts in
-- milliseconds, the beginning of the record of what was accepted.
-- The answer is the record, or nil where there is none, or 0 where another process has the lease.
local record = redis.call('GET', KEYS[1])
if record and string.sub(record, 1, #ARGV[4]) == ARGV[4] then
    return record
end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[3]) then
    -- In one process one delivery of it runs at a time, so a lease of its own is left from one that was cut off, or from a
    -- first try of this very call whose answer was lost.
    local lease = redis.call('GET', KEYS[2])
    if not lease or string.sub(lease, 1, #ARGV[2]) ~= ARGV[2] then
        return 0
    end
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
end
return record
