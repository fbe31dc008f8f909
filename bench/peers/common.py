"""Shared pieces of the peer benchmarks: settings, sample reports, CPU accounting, the feeder and the measurement.

Environment: AMQP_URI, PG_DSN (libpq URL), PEERS_QUEUE=classic|quorum (where the peer supports it).
All tables live in a database of their own, `peers_bench`, created on demand on the server PG_DSN names.
"""
import argparse, json, os, signal, statistics, struct, subprocess, sys, tempfile, time, uuid
from urllib.parse import urlsplit, urlunsplit

HERE = os.path.dirname(os.path.abspath(__file__))
AMQP_URI = os.environ.get("AMQP_URI", "amqp://guest:guest@127.0.0.1:5672/")
PG_ADMIN = os.environ.get("PG_DSN", "postgresql://postgres@127.0.0.1:5433/postgres")
PG_DSN = urlunsplit(urlsplit(PG_ADMIN)._replace(path="/peers_bench"))
QUEUE_TYPE = os.environ.get("PEERS_QUEUE", "classic")
HOPS = ["intake", "routing", "sla", "ledger", "notify"]
QARGS = {"x-queue-type": "quorum"} if QUEUE_TYPE == "quorum" else {}

# ---------------------------------------------------------------- sample data
TEXT = ("民眾反映本市板橋區文化路一段與民權路口人行道長期遭機車違規停放，行人被迫走上車道，"
        "且夜間施工噪音持續至凌晨兩點，附近居民多次以電話陳情仍未獲改善，懇請權責機關儘速派員現勘並回覆處理期限。")


def make_report(t0=None):
    """A report of about 1.2 KB as UTF-8 JSON."""
    return {"id": str(uuid.uuid4()), "t0": t0 or time.time(), "hop": 0, "stage": "new", "channel": "web",
            "district": "新北市板橋區", "category": "道路障礙", "priority": 3, "lat": 25.0143, "lng": 121.4672,
            "title": "人行道違停與夜間施工噪音", "text": TEXT * 2,
            "contact": {"name": "王小明", "phone": "0912-345-678"},
            "attachments": [{"key": "2026/11/%s.jpg" % uuid.uuid4(), "bytes": 482133, "sha256": "9f" * 32}]}


def advance(report, hop):
    """What a hop does to a report: new stage; returns (next report, ~1 KB state row as JSON text)."""
    report = dict(report, hop=hop, stage=HOPS[hop - 1])
    state = {k: v for k, v in report.items() if k != "attachments"}
    return report, json.dumps(state, ensure_ascii=False)


INBOX_SQL = "insert into inbox(consumer, message_id) values ({}, {}) on conflict do nothing"
STATE_SQL = "insert into state(hop, report_id, body) values ({}, {}, {}) on conflict do nothing"
SCHEMA = """
drop table if exists inbox, state, outbox;
create table inbox(consumer text, message_id uuid, seen_at timestamptz default now(), primary key(consumer, message_id));
create table state(hop smallint, report_id uuid, body jsonb not null, at timestamptz default now(), primary key(hop, report_id));
create table outbox(seq bigserial primary key, consumer text, message_id uuid, body text not null);
"""


def db():
    import psycopg2
    return psycopg2.connect(PG_DSN)


def ensure_db():
    import psycopg2
    c = psycopg2.connect(PG_ADMIN); c.autocommit = True
    cur = c.cursor(); cur.execute("select 1 from pg_database where datname='peers_bench'")
    if not cur.fetchone(): cur.execute("create database peers_bench")
    c.close()


_engine = None


def hop_tx(hop, report, pool_size=10):
    """The one transaction per message that Nameko, Celery and Dramatiq users write (SQLAlchemy Core on psycopg2)."""
    global _engine
    from sqlalchemy import create_engine, text
    if _engine is None:
        url = PG_DSN.replace("postgresql://", "postgresql+psycopg2://").replace("postgres://", "postgresql+psycopg2://")
        _engine = create_engine(url, pool_size=pool_size, max_overflow=0)
        _engine.inbox = text(INBOX_SQL.format(":c", ":m")); _engine.state = text(STATE_SQL.format(":h", ":m", ":b"))
    nxt, state = advance(report, hop)
    with _engine.begin() as tx:
        if tx.execute(_engine.inbox, {"c": HOPS[hop - 1], "m": report["id"]}).rowcount:
            tx.execute(_engine.state, {"h": hop, "m": report["id"], "b": state})
    return nxt


_done_fd = None


def done(*reports):
    """Hop 5 calls this after its commit: appends (published at, committed at) to the run's completion file."""
    global _done_fd
    if _done_fd is None:
        _done_fd = os.open(os.environ["PEERS_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    now = time.time()
    os.write(_done_fd, b"".join(struct.pack("<dd", r["t0"], now) for r in reports))


# ---------------------------------------------------------------- CPU accounting (Linux /proc)
TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat") as f: s = f.read()
    comm = s[s.index("(") + 1:s.rindex(")")]; f = s[s.rindex(")") + 2:].split()
    return comm, int(f[1]), sum(map(int, f[11:15])) / TICK  # name, parent, user+system incl. reaped children


def procs():
    out = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try: out[int(p)] = _stat(p)
        except OSError: pass
    return out


def tree(table, roots):
    seen = set(roots)
    while True:
        more = {p for p, (_, pp, _) in table.items() if pp in seen and p not in seen}
        if not more: return seen
        seen |= more


def cpu_snapshot(worker_pids):
    t = procs()
    s = lambda pids: sum(t[p][2] for p in pids if p in t)
    with open("/proc/stat") as f: m = list(map(int, f.readline().split()[1:]))
    return {"workers": s(tree(t, worker_pids)), "broker": s(p for p, v in t.items() if v[0] == "beam.smp"),
            "pg": s(p for p, v in t.items() if v[0] == "postgres"), "feeder": sum(os.times()[:2]),
            "machine": (sum(m[:8]) - m[3] - m[4]) / TICK, "at": time.time()}


def rss_mb(pids):
    total = 0
    for p in tree(procs(), pids):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += next(int(l.split()[1]) for l in f if l.startswith("Pss:"))
        except (OSError, StopIteration): pass
    return round(total / 1024, 1)


def broker_rss_mb():
    return rss_mb([p for p, v in procs().items() if v[0] == "beam.smp"][:1])


def pct(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(q * len(v)))] if v else None


# ---------------------------------------------------------------- AMQP helpers (py-amqp, pipelined confirms)
def amqp_connect():
    import amqp
    u = urlsplit(AMQP_URI)
    c = amqp.Connection(f"{u.hostname}:{u.port or 5672}", userid=u.username, password=u.password,
                        virtual_host=(u.path[1:] or "/")); c.connect(); return c


class Feeder:
    """Publishes raw messages with pipelined confirms."""
    def __init__(self):
        self.conn = amqp_connect(); self.ch = self.conn.channel(); self.ch.confirm_select(); self.sent = 0
        self.unconfirmed = set()
        self.ch.events["basic_ack"].add(self._ack)

    def _ack(self, tag, multiple):
        if multiple: self.unconfirmed = {t for t in self.unconfirmed if t > tag}
        else: self.unconfirmed.discard(tag)

    def publish(self, exchange, key, msg):
        self.sent += 1; self.unconfirmed.add(self.sent)
        self.ch.basic_publish(msg, exchange=exchange, routing_key=key)

    def flush(self):
        while self.unconfirmed: self.conn.drain_events(timeout=60)


def queue_state(names):
    """[(messages ready, consumers)] by passive declare; None where a queue does not exist."""
    out = []
    for n in names:
        c = amqp_connect()
        try:
            r = c.channel().queue_declare(n, passive=True); out.append((r.message_count, r.consumer_count))
        except Exception: out.append(None)
        finally: c.close()
    return out


def delete_queues(names):
    for n in names:
        c = amqp_connect()
        try: c.channel().queue_delete(n)
        except Exception: pass
        finally: c.close()


def spawn(argv, **env):
    log = open(os.path.join(tempfile.gettempdir(), "peers-worker.log"), "ab")
    bindir = os.path.dirname(sys.executable)
    e = dict(os.environ, PYTHONPATH=HERE, PATH=bindir + os.pathsep + os.environ["PATH"], **env)
    return subprocess.Popen(argv, cwd=HERE, env=e, stdout=log, stderr=log, start_new_session=True)


def stop(ps, sig=signal.SIGTERM, wait=8):
    for p in ps:
        if p.poll() is None: p.send_signal(sig)
    end = time.time() + wait
    for p in ps:
        try: p.wait(max(0.1, end - time.time()))
        except subprocess.TimeoutExpired:
            for pid in tree(procs(), [p.pid]):
                try: os.kill(pid, signal.SIGKILL)
                except OSError: pass
            p.wait()


def record(row):
    print(json.dumps(row, ensure_ascii=False), flush=True)


# ---------------------------------------------------------------- the pipeline measurement
def pipeline_main(name, worker_argv, build, queues, n=3000, window=500, clean=(), note=""):
    """worker_argv(hop) -> argv; build(report) -> (exchange, routing key, amqp.Message); queues: the 5 hop queues."""
    ap = argparse.ArgumentParser()
    ap.add_argument("--n", type=int, default=n); ap.add_argument("--window", type=int, default=window)
    ap.add_argument("--rate", type=float, default=50); ap.add_argument("--secs", type=float, default=20)
    a = ap.parse_args()
    ensure_db(); c = db(); c.autocommit = True; c.cursor().execute(SCHEMA)
    delete_queues(list(queues) + list(clean))
    done_file = tempfile.mktemp(prefix="peers-done-"); open(done_file, "w").close()
    workers = [spawn(worker_argv(h), PEERS_DONE=done_file, PEERS_HOP=str(h)) for h in range(1, 6)]
    try:
        end = time.time() + 60
        while not all(s and s[1] for s in queue_state(queues)):
            if time.time() > end or any(w.poll() is not None for w in workers):
                raise SystemExit(f"{name}: workers did not start, see {tempfile.gettempdir()}/peers-worker.log")
            time.sleep(0.3)
        time.sleep(1)
        feeder = Feeder(); pids = [w.pid for w in workers]; total = 0
        completed = lambda: os.path.getsize(done_file) // 16

        def send():
            r = make_report(); feeder.publish(*build(r))

        def wait_for(k, limit=180):
            end = time.time() + limit
            while completed() < k and time.time() < end: time.sleep(0.02)
            return completed() >= k

        for _ in range(200): send()
        feeder.flush(); total += 200; wait_for(total, 60)                       # warm-up

        base, before, t_start = completed(), cpu_snapshot(pids), time.time()    # closed loop: <= window in flight
        sent = 0
        while sent < a.n:
            room = a.window - (sent - (completed() - base))
            if room < min(50, a.window // 4): time.sleep(0.01); continue
            k = min(room, a.n - sent)
            for _ in range(k): send()
            feeder.flush(); sent += k
        total += a.n; ok = wait_for(total, 300)
        after, t_end = cpu_snapshot(pids), time.time()
        with open(done_file, "rb") as f: recs = list(struct.iter_unpack("<dd", f.read()))
        times = sorted(x[1] for x in recs[base:])
        lo, hi = min(a.window, a.n // 4), max(a.n - a.window, a.n // 2)
        steady = (hi - lo) / (times[hi - 1] - times[lo - 1]) if len(times) >= hi else None

        time.sleep(1); base, p_before, t0 = completed(), cpu_snapshot(pids), time.time()   # paced
        k = int(a.rate * a.secs)
        for i in range(k):
            d = t0 + i / a.rate - time.time()
            if d > 0: time.sleep(d)
            send()
            if feeder.sent % 10 == 0: feeder.flush()
        feeder.flush(); total += k; ok = wait_for(total, 60) and ok
        p_after = cpu_snapshot(pids)
        with open(done_file, "rb") as f: recs = list(struct.iter_unpack("<dd", f.read()))
        lat = [(y - x) * 1e3 for x, y in recs[base:]]
        cur = c.cursor(); cur.execute("select (select count(*) from state), (select count(*) from inbox), (select avg(pg_column_size(body))::int from state)")
        states, inbox, size = cur.fetchone()
        d = {x: after[x] - before[x] for x in after}; p = {x: p_after[x] - p_before[x] for x in p_after}
        record({"kind": "pipeline", "name": name, "queue": QUEUE_TYPE, "n": a.n, "window": a.window,
                "reports_per_s": round(a.n / (times[-1] - t_start), 1), "steady_per_s": steady and round(steady, 1),
                "cpu_ms_per_report": {x: round(1e3 * d[x] / a.n, 3) for x in ("workers", "broker", "pg", "feeder", "machine")},
                "cpu_ms_total": round(1e3 * (d["workers"] + d["broker"] + d["pg"]) / a.n, 3),
                "machine_busy": round(d["machine"] / (d["at"] * os.cpu_count()), 2),
                "paced_p50_ms": round(pct(lat, .5), 1), "paced_p99_ms": round(pct(lat, .99), 1), "paced_max_ms": round(max(lat), 1),
                "paced_cpu_ms_per_report": round(1e3 * (p["workers"] + p["broker"] + p["pg"]) / k, 2),
                "rss_mb_workers": rss_mb(pids), "complete": ok and states == 5 * total == inbox, "state_bytes": size, "note": note})
    finally:
        stop(workers); os.unlink(done_file)
