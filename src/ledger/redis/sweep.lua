-- Now and then: forgets what waited for a retry for too long, and what was kept for long enough. Records and leases end by
-- themselves.
-- KEYS: what waits for a retry; of all events that are kept, the order, what is known of them, their bodies, and how many bytes
-- they have. ARGV: the time, and the time before which what was first seen is kept no longer.
-- The answer is how many notifications wait for a retry, and how many events are kept.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
if redis.call('ZCARD', KEYS[2]) > 0 then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[2], 'LIMIT', 0, 1000)) do
        local bytes = redis.call('HSTRLEN', KEYS[3], name) + redis.call('HSTRLEN', KEYS[4], name)
        redis.call('DECRBY', KEYS[5], bytes)
        redis.call('HDEL', KEYS[3], name)
        redis.call('HDEL', KEYS[4], name)
        redis.call('ZREM', KEYS[2], name)
    end
end
return { redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]) }
