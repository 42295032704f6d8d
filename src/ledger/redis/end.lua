-- After a delivery: what it came to, and the end of its lease.
-- KEYS: the record, the lease, what waits for a retry; of all events that are kept, the order, what is known of them, their
-- bodies, and how many bytes they have.
-- ARGV: the token, the record, how long it is retained in milliseconds, the beginning of the record of what was accepted, the
-- name of the notification, until when it waits for a retry, or nothing; of an event that is to be kept, what is known of it, or
-- nothing, its body, and when it was first seen; how many events and how many bytes may be kept, and for how many milliseconds.
-- The answer is how many notifications wait for a retry, how many events are kept, and what is known of each that made room.
local function forget(name)
    if redis.call('ZREM', KEYS[4], name) == 1 then
        local bytes = redis.call('HSTRLEN', KEYS[5], name) + redis.call('HSTRLEN', KEYS[6], name)
        redis.call('DECRBY', KEYS[7], bytes)
        redis.call('HDEL', KEYS[5], name)
        redis.call('HDEL', KEYS[6], name)
    end
end

local function keep(name)
    local bytes = #ARGV[7] + #ARGV[8]
    forget(name)
    redis.call('ZADD', KEYS[4], ARGV[9], name)
    redis.call('HSET', KEYS[5], name, ARGV[7])
    redis.call('HSET', KEYS[6], name, ARGV[8])
    local all = redis.call('INCRBY', KEYS[7], bytes)
    local dropped = {}
    -- One that is too long by itself does not cost the others their places.
    while bytes > tonumber(ARGV[11]) or redis.call('ZCARD', KEYS[4]) > tonumber(ARGV[10]) or all > tonumber(ARGV[11]) do
        local oldest = bytes > tonumber(ARGV[11]) and name or redis.call('ZRANGE', KEYS[4], 0, 0)[1]
        if not oldest then
            -- They were evicted, and what was counted of them is over.
            redis.call('SET', KEYS[7], 0)
            break
        end
        dropped[#dropped + 1] = redis.call('HGET', KEYS[5], oldest) or nil
        forget(oldest)
        all = tonumber(redis.call('GET', KEYS[7]))
        bytes = 0
    end
    for at = 4, 7 do
        redis.call('PEXPIRE', KEYS[at], ARGV[12])
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
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    if ARGV[6] ~= '' then
        redis.call('ZADD', KEYS[3], ARGV[6], ARGV[5])
    else
        redis.call('ZREM', KEYS[3], ARGV[5])
    end
    if ARGV[7] ~= '' then
        dropped = keep(ARGV[5])
    end
end
if is_accepted or is_known_accepted then
    forget(ARGV[5])
end
if lease == ARGV[1] then
    redis.call('DEL', KEYS[2])
end
return { redis.call('ZCARD', KEYS[3]), redis.call('ZCARD', KEYS[4]), unpack(dropped) }
