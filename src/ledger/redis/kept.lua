-- The names of all events that are kept, the oldest first.
-- KEYS: the order of what is kept.
return redis.call('ZRANGE', KEYS[1], 0, -1)
