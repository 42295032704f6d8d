-- What is kept of deliveries that failed: for each event a key that ends by itself, and one index of them all.
-- The index is a sorted set. The score of an event is the second in which it was first kept, by the clock of Redis, times UNIT,
-- and how many KiB it has; the score of `all` is how many they have together. So the order, the lengths and their sum are lost
-- together or not at all, and what is counted is what is in the index. The keys of events are made here, and not given.
local UNIT = 1048576
-- How much longer than in the index an event is kept, in seconds, so that who takes it from there can say what it was.
local GRACE = 3600

local function event_of(index, name)
    return index .. ':' .. name
end

local function count(index)
    return math.max(redis.call('ZCARD', index) - 1, 0)
end

-- What is known of an event: false where it is not there, and nothing where it is something else, which holds up no others.
local function known_of(event)
    local known = redis.pcall('HGET', event, 'kept')
    return type(known) == 'table' and '' or known
end

-- Gives back in which second it was first kept, where it is in the index.
local function forget(index, name)
    redis.call('DEL', event_of(index, name))
    local score = redis.call('ZSCORE', index, name)
    if not score then
        return nil
    end
    redis.call('ZREM', index, name)
    if count(index) > 0 then
        redis.call('ZINCRBY', index, -(score % UNIT), 'all')
    else
        redis.call('DEL', index)
    end
    return math.floor(score / UNIT)
end

-- Forgets one that was not accepted, and adds its name and what is known of it, if it is still there, to those `dropped`.
local function drop(index, name, dropped)
    dropped[#dropped + 1] = name
    dropped[#dropped + 1] = known_of(event_of(index, name))
    forget(index, name)
end
