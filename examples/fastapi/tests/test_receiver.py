"""What the app holds, whatever Paragon does."""

from tests.harness import App, Paragon


def test_a_file_comes_changes_and_goes(paragon: Paragon, app: App) -> None:
    drive = paragon.connect("user_ada")
    report, _ = drive.create("Q1 report.pdf"), drive.create("plan.docx")
    drive.enable()
    app.holds(drive.sync, "Q1 report.pdf", "plan.docx")

    drive.rename(report, "Q1 report (final).pdf")
    drive.create("notes.txt")
    paragon.advance("1m")
    app.holds(drive.sync, "Q1 report (final).pdf", "plan.docx", "notes.txt")

    # Deletions are seen by the full sync, once a day.
    drive.delete(report)
    paragon.advance("24h")
    app.holds(drive.sync, "plan.docx", "notes.txt")


def test_two_users_are_kept_apart(paragon: Paragon, app: App) -> None:
    ada, bob = paragon.connect("user_ada"), paragon.connect("user_bob")
    for drive in (ada, bob):
        drive.create(f"{drive.user}.pdf")
        drive.enable()
    app.holds(ada.sync, "user_ada.pdf")
    app.holds(bob.sync, "user_bob.pdf")
    assert all("-> 200" in call for call in paragon.calls()), "no call was made with another user's token"


def test_a_failing_sync_api_is_asked_again(paragon: Paragon, app: App) -> None:
    drive = paragon.connect("user_ada")
    drive.create("report.pdf")
    down = {"status": {"code": 503, "retry_after": {"seconds": 1}}}
    paragon.admin("POST", "faults", {"on": {"endpoint": "pullRecords"}, "what": down, "when": {"next": 2}})
    drive.enable()
    app.holds(drive.sync, "report.pdf")


def test_an_app_that_was_down_gets_the_event_again(paragon: Paragon, app: App) -> None:
    drive = paragon.connect("user_ada")
    drive.enable()
    app.kill()
    drive.create("report.pdf")
    failed = [entry for entry in paragon.advance("1m") if entry["kind"] == "attempt"]
    assert [entry["decision"] for entry in failed] == ["retry"]
    app.start()
    paragon.admin("POST", "clock/idle")
    app.holds(drive.sync, "report.pdf")


def test_what_was_answered_outlives_the_process(paragon: Paragon, app: App) -> None:
    drive = paragon.connect("user_ada")
    drive.create("report.pdf")
    # So that nothing can be done about the event before the process ends.
    paragon.admin("POST", "faults", {"what": {"status": {"code": 503}}})
    drive.enable()
    assert paragon.admin("GET", "deliveries")["data"][-1]["status"] == 200
    app.kill()
    paragon.admin("DELETE", "faults")
    app.start()
    app.holds(drive.sync, "report.pdf")


def test_a_disabled_webhook_loses_nothing(paragon: Paragon, app: App) -> None:
    drive = paragon.connect("user_ada")
    drive.create("kept.pdf")
    gone = drive.create("gone.pdf")
    drive.enable()
    app.holds(drive.sync, "kept.pdf", "gone.pdf")

    paragon.admin("POST", "webhook/disable")
    drive.create("missed.pdf")
    drive.delete(gone)
    paragon.advance("24h")
    paragon.admin("POST", "webhook/enable")
    drive.create("next.pdf")
    paragon.advance("1m")
    app.holds(drive.sync, "kept.pdf", "missed.pdf", "next.pdf")


def test_what_is_no_event_is_refused_and_what_is_new_is_let_through(paragon: Paragon, app: App) -> None:
    for body in ("", "event=record_created", '{"event":', "[7]", "{}", b'{"event":"\xff"}', "[" * 20_000):
        assert 400 <= app.post(body) < 500, body[:40]
    assert app.post({"event": "webhook_verification"}) == 200
    assert app.post({"event": "record_moved", "syncInstanceId": "11111111-2222-5333-8444-555555555555"}) == 200
