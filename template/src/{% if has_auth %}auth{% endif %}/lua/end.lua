-- Ends one session, and removes the hash with the last of them.
-- KEYS[1]: session:{user}; ARGV: session id. Returns 1 if there was such a session.
local key = KEYS[1]
if redis.call('TYPE', key).ok ~= 'hash' then
  return 0
end
local ended = redis.call('HDEL', key, 's:' .. ARGV[1])
local others = redis.call('HLEN', key) - redis.call('HEXISTS', key, 'user') - redis.call('HEXISTS', key, 'ver')
if others <= 0 then
  redis.call('DEL', key)
end
return ended
