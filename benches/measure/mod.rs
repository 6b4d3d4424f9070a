//! What the benches measure with.

/// How often each figure is taken; the median counts.
pub(crate) const ROUNDS: usize = 11;

/// Each in turn, so that a busy machine is unfair to nobody; the first round warms up.
pub(crate) async fn rounds<const N: usize>(measure: impl AsyncFn(usize) -> f64) -> [f64; N] {
    let mut rates = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (which, rates) in rates.iter_mut().enumerate() {
            let rate = measure(which).await;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    })
}

/// What this process holds, in KiB, where the system tells.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
