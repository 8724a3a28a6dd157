-- Redis's struct library takes several fields apart, or puts them together, in one
-- call. miniredis has none: there the formats that scripts use are read here. They
-- are big-endian: B, I2 and I7 are integers of 1, 2 and 7 bytes, unsigned and exact in a
-- float64 up to 2^53; cn is n bytes as they are.
local struct = rawget(_G, 'struct') or (function()
  local byte, char, floor = string.byte, string.char, math.floor
  local known = {}
  local function fields(format)
    local list = known[format]
    if not list then
      list = {}
      for kind, n in string.gmatch(format, '([BIc])(%d*)') do
        list[#list + 1] = {text = kind == 'c', size = n == '' and 1 or tonumber(n)}
      end
      known[format] = list
    end
    return list
  end
  return {
    unpack = function(format, s, i)
      local list, out = fields(format), {}
      i = i or 1
      for j = 1, #list do
        local size = list[j].size
        if #s < i + size - 1 then error('data string too short') end
        if list[j].text then out[j] = string.sub(s, i, i + size - 1)
        else
          local n = 0
          for k = i, i + size - 1 do n = n * 256 + byte(s, k) end
          out[j] = n
        end
        i = i + size
      end
      return unpack(out, 1, #list)
    end,
    pack = function(format, ...)
      local list, out = fields(format), {...}
      for j = 1, #list do
        if not list[j].text then -- that is as it is
          local n, bytes = out[j], {}
          for k = list[j].size, 1, -1 do
            bytes[k] = char(n % 256)
            n = floor(n / 256)
          end
          out[j] = table.concat(bytes)
        end
      end
      return table.concat(out)
    end,
  }
end)()
