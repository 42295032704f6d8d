-- Now and then: forgets what waited for a retry for too long, what was kept for long enough, and what is in the index while its
-- event is not there any more. Records, leases and events end by themselves. It goes by the clock of Redis, since replicas have
-- clocks of their own, and one that is wrong must not cost the others what they kept.
-- KEYS: what waits for a retry, the index of all events that are kept. ARGV: for how many seconds events are kept, and a number
-- by chance, which says where in a long index to look this time.
-- The answer is how many notifications wait for a retry, how many events are kept, and of each that is kept no longer its name
-- and what is known of it.
local SOME = 1000
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
local dropped = {}
if count(KEYS[2]) > 0 then
    -- Below UNIT there is the sum alone.
    local over = string.format('(%.0f', (now - ARGV[1]) * UNIT)
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], UNIT, over, 'LIMIT', 0, SOME)) do
        drop(KEYS[2], name, dropped)
    end
    local first = ARGV[2] % math.max(math.ceil(count(KEYS[2]) / SOME), 1) * SOME + 1
    for _, name in ipairs(redis.call('ZRANGE', KEYS[2], first, first + SOME - 1)) do
        if redis.call('EXISTS', event_of(KEYS[2], name)) == 0 then
            drop(KEYS[2], name, dropped)
        end
    end
end
return { redis.call('ZCARD', KEYS[1]), count(KEYS[2]), dropped }
