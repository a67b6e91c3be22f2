"""Events of a series beside labelled windows: which windows are hit, and how many events lie outside all of them.

usage: series_windows.py DATA_FOLDER [--adit BIN] [--alerts N ...]

`adit anomalies data.csv --series value --time timestamp --alerts N` on anomaly_nab_machine_temperature, whose column `anomaly`
marks the windows. Adit sees neither the windows nor how many there are; a reading is judged by those before it.
"""
import argparse, csv, datetime, json, pathlib, subprocess, tempfile


def labelled(path):
    """Start and end of each window, and the days from the first reading to the last."""
    windows, was, times = [], False, []
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            time, marked = datetime.datetime.fromisoformat(row["timestamp"]), row["anomaly"] not in ("0", "0.0", "")
            if marked and not was:
                windows.append([time, time])
            elif marked:
                windows[-1][1] = time
            was = marked
            times.append(time)
    return windows, (max(times) - min(times)).total_seconds() / 86_400


def events(adit, path, alerts):
    """Start, end and score of each event, the strangest first."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = [adit, "anomalies", str(path), "--series", "value", "--time", "timestamp", "--alerts", str(alerts)]
        subprocess.run([*command, "--out", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL)
        found = json.loads((run / "result.json").read_text())["events"]
    time = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "")).replace(tzinfo=None)
    return [(time(event["start"]), time(event["end"]), event["score"]) for event in found]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--adit", default="adit")
    p.add_argument("--alerts", type=int, nargs="*", default=[5, 15, 39])
    args = p.parse_args()
    path = args.data / "anomaly_nab_machine_temperature/data.csv"
    windows, days = labelled(path)
    print(f"{len(windows)} windows in {days:.0f} days\n")
    print("| events asked for | windows hit | events outside | a day |\n|---|---|---|---|")
    for alerts in args.alerts:
        found = events(args.adit, path, alerts)
        meets = lambda event, window: event[0] <= window[1] and window[0] <= event[1]
        hit = sum(any(meets(event, window) for event in found) for window in windows)
        outside = sum(not any(meets(event, window) for window in windows) for event in found)
        print(f"| {alerts} | {hit} of {len(windows)} | {outside} of {len(found)} | {outside / days:.2f} |")


main()
