-- Stores a snapshot of the user's row, if the user did not change since the version was read.
-- KEYS[1]: session:{user}; ARGV: that version, the snapshot
if redis.call('TYPE', KEYS[1]).ok == 'hash' and redis.call('HGET', KEYS[1], 'ver') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'user', ARGV[2])
end
