-- Now and then: forgets what waited for a retry for too long. Records and leases end by themselves.
-- KEYS: what waits for a retry. ARGV: the time.
-- The answer is how many notifications wait for a retry.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
return redis.call('ZCARD', KEYS[1])
