-- The names of all events that are kept, the oldest first.
-- KEYS: the index of all events that are kept, in which the sum comes before them.
return redis.call('ZRANGE', KEYS[1], 1, -1)
