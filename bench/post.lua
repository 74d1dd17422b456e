-- Repeats one POST; `BODY` and `HEADERS` (name: value, one per line) come from the environment.
wrk.method = "POST"
wrk.body = os.getenv("BODY")
for name, value in os.getenv("HEADERS"):gmatch("([^:\n]+): ([^\n]+)") do wrk.headers[name] = value end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"micros":%d,"bytes":%d,"p50":%d,"p99":%d,"errors":%d}\n',
        summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
