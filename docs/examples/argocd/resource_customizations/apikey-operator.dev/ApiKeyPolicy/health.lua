-- The health of an ApiKeyPolicy for Argo CD. It needs none of Lua's libraries.
--
-- How many ApiKeys a policy refuses is no matter of its health: another policy may admit them, and those that none does
-- are Degraded themselves.
local status = obj.status or {}
local ready = nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
end

if status.observedGeneration ~= obj.metadata.generation or ready == nil then
  return {
    status = "Progressing",
    message = "the manager has not looked at this spec yet; if that lasts, see whether apikey-operator-manager runs",
  }
end

local said = (ready.reason or "") .. ": " .. (ready.message or "")
if ready.status ~= "True" then
  return { status = "Degraded", message = said }
end
return { status = "Healthy", message = said }
