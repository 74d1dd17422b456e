-- Repeats one GET; every response must have the status in `STATUS`. wrk itself counts responses of 400 and above, so
-- no script runs for each response.
function done(summary, latency)
    local errors = summary.errors
    local refused = tonumber(os.getenv("STATUS")) >= 400
    local wrong = errors.connect + errors.read + errors.write + errors.timeout
    wrong = wrong + (refused and summary.requests - errors.status or errors.status)
    io.write(string.format('RESULT {"requests":%d,"micros":%d,"p99":%d,"wrong":%d}\n',
        summary.requests, summary.duration, latency:percentile(99), wrong))
end
