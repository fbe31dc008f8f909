"""The timer measurement shared by timers_*.py. A mechanism gives arm(items), cancel(ids), spawn() and so on; every fire is a
committed row in `fired` (timer, due, fired at = clock_timestamp() in the firing statement)."""
import argparse, os, signal, statistics, time, uuid
import common

HOUR = 3600


def make_items(n, due, spread=0.0):
    return [(str(uuid.uuid4()), due + (i / n * spread)) for i in range(n)]


FIRED = "drop table if exists fired; create table fired(timer_id uuid, due_at timestamptz, fired_at timestamptz default clock_timestamp())"
FIRE_SQL = "insert into fired(timer_id, due_at) values ({}, to_timestamp({}))"
_conn = None


def fire(timer_id, due):
    """What a user's handler does: one committed effect (psycopg2, one connection per thread/process)."""
    import threading
    global _conn
    if _conn is None: _conn = threading.local()
    c = getattr(_conn, "c", None)
    if c is None or _conn.pid != os.getpid(): c = _conn.c = common.db(); _conn.pid = os.getpid()
    cur = c.cursor(); cur.execute(FIRE_SQL.format("%s", "%s"), (timer_id, due)); c.commit()


class Mechanism:
    name, note, pending, bulk_pending = "", "", 100_000, None
    arm_sample, cancel_share, cancel_sample, settle, stagnant = 3000, .5, None, 0.5, 20
    def reset(self): ...
    def arm(self, items): ...
    def bulk(self, items): self.arm(items)               # fastest loader known, for capacity only
    def cancel(self, ids): ...
    def spawn(self): ...
    def ready(self): return True
    def loaded(self): return True                        # worker has taken in what is pending
    def extra(self): return {}


def run(m):
    ap = argparse.ArgumentParser(); ap.add_argument("--bursts", type=int, default=3); ap.add_argument("--due", type=int, default=5000)
    ap.add_argument("--pending", type=int, default=m.pending); ap.add_argument("--skip", default="")
    a = ap.parse_args()
    common.ensure_db(); c = common.db(); c.autocommit = True; cur = c.cursor(); cur.execute(FIRED)
    cur.execute("create temp table phase(timer_id uuid primary key)")       # the timers of the phase being measured
    count = lambda: (cur.execute("select count(*) from fired join phase using (timer_id)"), cur.fetchone()[0])[1]
    size = lambda: (cur.execute("select pg_database_size(current_database())/1048576"), cur.fetchone()[0])[1]
    m.reset(); row = {"kind": "timers", "name": m.name, "note": m.note}
    workers = []
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit('terminated')))

    def start():
        workers[:] = m.spawn(); end = time.time() + 60
        while not m.ready() and time.time() < end: time.sleep(.2)
        time.sleep(1)

    def arm_phase(n, spread):
        """Arm n timers; returns when the first falls due. Fires of other phases are never counted."""
        cur.execute("truncate fired, phase"); due = time.time() + m.lead(n, arm_rate)
        m.arm_due(n, m.lead(n, arm_rate), spread)
        cur.execute("insert into phase select unnest(%s::uuid[])", (m.phase_ids,)); return due

    def wait_fired(n, limit, stagnant=None, poll=.2, due=0):
        start = max(time.time(), due)                    # limits count from the due time
        last, moved, end = -1, start, start + limit
        while time.time() < end:
            k = count()
            if k >= n: return k
            if k != last: last, moved = k, time.time()
            if stagnant and time.time() - moved > stagnant: return k
            time.sleep(poll)
        return count()

    def lags():
        cur.execute("select extract(epoch from fired_at - due_at)*1000, extract(epoch from fired_at), extract(epoch from due_at) from fired join phase using (timer_id)")
        r = [tuple(map(float, x)) for x in cur.fetchall()]
        if not r: return {"fired": 0}
        l = [x[0] for x in r]
        return {"fired": len(r), "p50_ms": round(pct(l, .5), 1), "p99_ms": round(pct(l, .99), 1), "max_ms": round(max(l), 1),
                "drain_per_s": round(len(r) / max(1e-3, max(x[1] for x in r) - min(x[2] for x in r)), 1)}

    pct = common.pct
    try:
        # arm rate through the user's API, three samples
        rates = []
        for _ in range(3):
            items = make_items(m.arm_sample // 3, time.time() + 2 * HOUR, HOUR); t = time.time(); m.arm(items); rates.append(len(items) / (time.time() - t))
        row["arm_per_s"] = round(statistics.median(rates)); row.update(m.arm_extra() if hasattr(m, "arm_extra") else {})
        start(); row["idle_worker_mb"], row["idle_broker_mb"], row["idle_pg_db_mb"] = common.rss_mb([w.pid for w in workers]), common.broker_rss_mb(), size()
        # capacity
        pend = make_items(a.pending, time.time() + 2 * HOUR, 10 * HOUR); t = time.time(); b0 = time.time()
        for i in range(0, len(pend), 5000): m.bulk(pend[i:i + 5000])
        row["bulk_arm_per_s"] = round(len(pend) / (time.time() - t)); end = time.time() + 240
        while not m.loaded() and time.time() < end: time.sleep(.5)
        row.update(pending=len(pend), all_taken_in=m.loaded(), load_s=round(time.time() - b0, 1), worker_mb=common.rss_mb([w.pid for w in workers]), broker_mb=common.broker_rss_mb(), pg_db_mb=size())
        # cancel
        if m.cancel_share and "cancel" not in a.skip:
            ids = [x[0] for x in pend[::2]][:m.cancel_sample]; t = time.time(); m.cancel(ids)
            row.update(cancelled=len(ids), cancel_per_s=round(len(ids) / (time.time() - t)))
            if hasattr(m, "cancel_extra"): row.update(m.cancel_extra([x[0] for x in pend[1::2]][:2000]))
        arm_rate = row["arm_per_s"]
        # bursts: so many due within one second, beside what is pending
        bursts = []
        for _ in range(a.bursts):
            due = arm_phase(a.due, 1.0); wait_fired(a.due, 120, m.stagnant, due=due); bursts.append(lags()); time.sleep(1)
        row["burst"] = {k: statistics.median(b.get(k, 0) for b in bursts) for k in bursts[0]}; row["burst_runs"] = bursts
        # paced: 100 due per second for 20 s
        if "paced" not in a.skip:
            s0 = common.cpu_snapshot([w.pid for w in workers]); due = arm_phase(2000, 20.0)
            wait_fired(2000, 90, 40, due=due); row["paced"] = lags(); s1 = common.cpu_snapshot([w.pid for w in workers])
            row["paced_cpu_ms_per_timer"] = round(1e3 * sum(s1[x] - s0[x] for x in ("workers", "broker", "pg")) / 2000, 2)
        # kill -9 of the whole worker while 5,000 are firing
        if "kill" not in a.skip:
            due = arm_phase(5000, 1.0); wait_fired(1000, 90, poll=.01, due=due); kill_tree(workers)
            at = count(); t = time.time(); time.sleep(1); start(); wait_fired(5000, 200, m.stagnant + 45); time.sleep(3)
            cur.execute("select count(*), count(distinct timer_id), extract(epoch from max(fired_at)) from fired join phase using (timer_id)"); n, d, last = cur.fetchone()
            row["kill"] = {"fired_when_killed": at, "lost": 5000 - d, "fired_twice": n - d, "all_done_after_s": round(float(last) - t, 1)}
        row.update(m.extra()); common.record(row); row = None
    finally:
        if row: print("NOT RECORDED, unfinished:", row, flush=True)
        common.stop(workers, wait=5); m.reset()


def kill_tree(workers):
    for p in common.tree(common.procs(), [w.pid for w in workers]):
        try: os.kill(p, signal.SIGKILL)
        except OSError: pass
    for w in workers: w.wait()


def _arm_due(self, n, lead, spread):
    items = make_items(n, time.time() + lead, spread); self.phase_ids = [i for i, _ in items]; self.arm(items)


def _lead(self, n, rate): return 1.25 * n / rate + 2
Mechanism.arm_due, Mechanism.lead = _arm_due, _lead
