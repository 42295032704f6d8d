-- What is known of events that are kept, and nil of those that are not.
-- KEYS: the events.
local entries = {}
for at, event in ipairs(KEYS) do
    entries[at] = known_of(event)
end
return entries
