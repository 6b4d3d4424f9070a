//! Tests receivers whose URLs are https: which certificates are accepted, and how a refused one is reported.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::run::{GOOD, Ran, program, run};

const WEBHOOK: &str = "https://localhost:{port}/webhook";
const STATE: &str = "https://localhost:{port}/state";

/// Certificates with their keys, as files in a folder.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        // As `openssl req -x509 -subj /CN=localhost` makes it: of an authority, and without the name of a host.
        this.self_signed("own", "localhost");
        let authority = this.self_signed("authority", "an authority");
        this.self_signed("other", "another authority");
        for (file, host) in [("signed", "localhost"), ("elsewhere", "elsewhere.example")] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
            this.write(file, &certificate.pem(), &key);
        }
        this
    }

    fn self_signed(&self, file: &str, name: &str) -> Issuer<'static, KeyPair> {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        self.write(file, &params.self_signed(&key).unwrap().pem(), &key);
        Issuer::new(params, key)
    }

    fn write(&self, file: &str, certificate: &str, key: &KeyPair) {
        std::fs::write(self.file(file), certificate).unwrap();
        std::fs::write(self.file(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Returns the options that let a receiver use this certificate.
    fn of_receiver(&self, name: &str) -> [String; 4] {
        let [certificate, key] = [format!("TLS_CERT={}", self.file(name)), format!("TLS_KEY={}.key", self.file(name))];
        ["--env".to_owned(), certificate, "--env".to_owned(), key]
    }
}

/// Examines a receiver, or judges it by one case.
fn judge(verb: &str, certificates: &Certificates, of_receiver: &str, more: &[&str]) -> Ran {
    let own = certificates.of_receiver(of_receiver);
    let case: &[&str] = if verb == "check" { &["--case", "rec-created"] } else { &[] };
    let target = [verb, WEBHOOK, "--spawn", GOOD, "--settle", "1s"];
    run([&target[..], case, &own.each_ref().map(String::as_str), more].concat())
}

#[test]
fn a_certificate_is_accepted_if_it_or_its_authority_is_named_or_if_all_are() {
    let certificates = Certificates::new();
    let [own, authority, other] = ["own", "authority", "other"].map(|name| certificates.file(name));
    let both = certificates.file("both");
    let [first, second] = [&other, &authority].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&both, first + &second).unwrap();
    for (of_receiver, more) in [
        ("own", &["--ca", &own][..]),
        ("own", &["--insecure"]),
        ("signed", &["--ca", &other, "--ca", &authority]),
        ("signed", &["--ca", &both]),
        ("elsewhere", &["--insecure"]),
    ] {
        for verb in ["doctor", "check"] {
            let ran = judge(verb, &certificates, of_receiver, &[&["--state-url", STATE], more].concat());
            assert_eq!(ran.code, 0, "{verb} {of_receiver} {more:?}: {}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn a_refused_certificate_is_a_wrong_set_up_and_its_remedy_is_named() {
    let certificates = Certificates::new();
    let [authority, other] = ["authority", "other"].map(|name| certificates.file(name));
    for (of_receiver, more, told) in [
        ("own", &[][..], "the certificate is self-signed"),
        ("signed", &["--ca", &other], "no authority that is known has signed the certificate"),
        ("elsewhere", &["--ca", &authority], "the certificate is not for this host"),
    ] {
        for state in [&[][..], &["--state-url", STATE]] {
            for verb in ["doctor", "check"] {
                let ran = judge(verb, &certificates, of_receiver, &[state, more].concat());
                assert_eq!(ran.code, 3, "{verb} {of_receiver} {more:?}: {}{}", ran.stdout, ran.stderr);
                let printed = if verb == "doctor" { &ran.stdout } else { &ran.stderr };
                let part = if state.is_empty() { " webhook: " } else { " state: " };
                let line = printed.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{printed}"));
                let parts = [told, "with --ca FILE", "with --insecure"];
                assert!(parts.iter().all(|part| line.contains(part)), "{line}");
                assert!(!ran.stdout.contains("FAIL"), "{}", ran.stdout);
            }
        }
    }
    let ran = run(["doctor", WEBHOOK, "--spawn", GOOD, "--settle", "1s"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("the receiver does not speak TLS"), "{}", ran.stdout);
}

#[test]
fn the_url_that_registers_syncs_gets_the_same_certificates() {
    let certificates = Certificates::new();
    let (own, authority) = (certificates.of_receiver("signed"), certificates.file("authority"));
    let file = format!("STATE_FILE={}", certificates.file("state.db"));
    let judged = |webhook: &str, more: &[&str]| {
        let spawn = "API_KEY=k exec python3 tests/receivers/right/right.py in-production";
        let target = ["check", webhook, "--spawn", spawn, "--header", "X-Api-Key: k", "--case", "rec-created"];
        let target = [&target[..], &["--settle", "2s", "--env", &file]].concat();
        run([&target[..], &own.each_ref().map(String::as_str), more].concat())
    };
    let syncs = ["--before-sync", "https://localhost:{port}/syncs"];
    let ran = judged(WEBHOOK, &[&syncs[..], &["--state-url", STATE, "--ca", &authority]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = judged(WEBHOOK, &syncs);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(" new sync: ") && ran.stderr.contains("(see --ca and --insecure)"), "{}", ran.stderr);
}

/// The certificates of the system are replaced by those of `SSL_CERT_FILE`, as openssl and curl do it. `--ca` needs none
/// of the system.
#[cfg(target_os = "linux")]
#[test]
fn certificates_of_the_system_may_come_from_a_file_or_be_missing() {
    let certificates = Certificates::new();
    let authority = certificates.file("authority");
    let doctor = |scheme: &str, file: &str, more: &[&str]| {
        let own = certificates.of_receiver("signed");
        let url = format!("{scheme}://localhost:{{port}}");
        let (webhook, state) = (format!("{url}/webhook"), format!("{url}/state"));
        let target = ["doctor", &webhook, "--state-url", &state, "--spawn", GOOD, "--settle", "1s"];
        let own = if scheme == "https" { own.iter().map(String::as_str).collect() } else { Vec::new() };
        let mut command = program([&target[..], &own, more].concat());
        let ran = command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    let missing = PathBuf::from(&authority).with_file_name("missing").display().to_string();
    assert_eq!(doctor("https", &authority, &[]).0, Some(0));
    assert_eq!(doctor("https", &missing, &["--ca", &authority]).0, Some(0));
    assert_eq!(doctor("https", &missing, &["--insecure"]).0, Some(0));
    assert_eq!(doctor("http", &missing, &[]).0, Some(0));
    let (code, printed) = doctor("https", &missing, &[]);
    assert!(code == Some(3) && printed.contains("with --ca FILE"), "{printed}");
}

#[test]
fn the_command_that_repeats_a_run_names_the_certificates() {
    let certificates = Certificates::new();
    let own = certificates.file("own");
    let receiver = certificates.of_receiver("own");
    let spawn = "python3 tests/receivers/python/broken.py does-nothing";
    let target = ["check", WEBHOOK, "--spawn", spawn, "--case", "rec-created", "--settle", "100ms"];
    let more = ["--ca", &own, "--insecure"];
    let ran = run([&target[..], &receiver.each_ref().map(String::as_str), &more].concat());
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(&format!("--ca {own} --insecure")), "{}", ran.stdout);
}

#[test]
fn a_file_without_certificates_is_refused() {
    let certificates = Certificates::new();
    let (key, missing) = (certificates.file("own.key"), certificates.file("missing"));
    for (file, told) in [(&*key, "expected certificates in PEM"), (&missing, "No such file"), ("src", "directory")] {
        for words in [&["check", WEBHOOK][..], &["serve"], &["send", "sync_complete", "--to", "https://localhost:9/"]] {
            let ran = run([words, &["--ca", file]].concat());
            assert_eq!(ran.code, 2, "{words:?} {file}: {}", ran.stderr);
            let start = format!("error: --ca {file}: ");
            assert!(ran.stderr.starts_with(&start) && ran.stderr.contains(told), "{}", ran.stderr);
        }
    }
}
