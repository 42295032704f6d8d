-- What is known of events that are kept, and nil of those that are not.
-- KEYS: what is known of what is kept. ARGV: their names.
return redis.call('HMGET', KEYS[1], unpack(ARGV))
