-- What is known of an event that is kept, and its body; nil where it is not.
-- KEYS: the event.
return redis.call('HMGET', KEYS[1], 'kept', 'body')
