//! Helpers for measuring.

/// Number of measurements of each figure. The result is their median.
pub(crate) const ROUNDS: usize = 11;

/// Measures the variants in turn, so that load on the machine affects all of them. The first round warms up, and does
/// not count.
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

/// Returns the resident memory of this process in KiB; `None` if the system does not report it.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
