-- What is known of an event that is kept, and its body; nil where it is not.
-- KEYS: what is known of what is kept, their bodies. ARGV: its name.
return { redis.call('HGET', KEYS[1], ARGV[1]), redis.call('HGET', KEYS[2], ARGV[1]) }
