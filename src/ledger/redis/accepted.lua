-- Whether one of some notifications was accepted: 1 if so, else 0.
-- KEYS: their records. ARGV: the beginning of the record of what was accepted.
for _, record in ipairs(KEYS) do
    local known = redis.call('GET', record)
    if known and string.sub(known, 1, #ARGV[1]) == ARGV[1] then
        return 1
    end
end
return 0
