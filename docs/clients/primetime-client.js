// A client for primetime's collectors, for browsers: keeps each event until a collector has acknowledged it, also when
// the page is closed meanwhile. One file without dependencies: copy it. docs/clients.md says why it does what it does.
//
//   const client = new PrimetimeClient(["https://collector.example"])
//   client.send({ show: "quiz-20261121", pos_ms: 10500, user: "u1", type: "vote", data: { poll: "q1", choice: "a" } })

const MAX_BATCH = 100 // events in one request
const MAX_BODY = 60000 // bytes: browsers let a closing page send 64 KiB
const TIMEOUT_MS = 5000 // a collector answers within 2 s, if only with 503
const FIRST_PAUSE_MS = 250, LAST_PAUSE_MS = 30000
const REFUSED = [400, 413] // it is the events' fault: sending the same again cannot help. Everything else is tried again.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// A ULID (github.com/ulid/spec): 48 bits of epoch milliseconds and 80 of chance.
export function newId(now = Date.now()) {
  let id = ""
  for (let place = 9; place >= 0; place--) id += ALPHABET[Math.floor(now / 32 ** place) % 32]
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += ALPHABET[byte % 32]
  return id
}

export class PrimetimeClient {
  // `storage` keeps the events: localStorage unless said otherwise. Its keys are `<prefix>:<id>`, and
  // `<prefix>-parked:<id>` for what collectors refuse.
  constructor(collectors, { storage = globalThis.localStorage, prefix = "primetime", timeoutMs = TIMEOUT_MS } = {}) {
    if (!collectors.length) throw new Error("a client needs the address of a collector, for example https://collector.example")
    this.urls = collectors.map((collector) => collector.replace(/\/$/, "") + "/events")
    this.storage = storage
    this.prefix = prefix
    this.timeoutMs = timeoutMs
    this.most = MAX_BATCH
    this.failures = 0
    this.trouble = null // why the last request was not acknowledged; null when it was
    this.closed = false
    globalThis.addEventListener?.("pagehide", () => this.sendBeforeTheEnd())
    globalThis.addEventListener?.("online", () => this.wake?.())
    this.running = this.run()
  }

  // Keeps an event and has it sent; its id. The id is made here unless the event has one, and never changes.
  send(event) {
    const kept = { id: newId(), ...event }
    this.storage.setItem(`${this.prefix}:${kept.id}`, JSON.stringify(kept))
    this.wake?.()
    return kept.id
  }

  // Events that no collector has acknowledged yet, oldest first, parked ones not counted.
  waiting() {
    return this.keys(`${this.prefix}:`)
  }

  // Events that were refused, each alone: [{ event, reason }].
  parked() {
    return this.keys(`${this.prefix}-parked:`).map((key) => JSON.parse(this.storage.getItem(key)))
  }

  // Stops sending. What waits stays in the storage, for the next client.
  close() {
    this.closed = true
    this.wake?.()
    return this.running
  }

  keys(start) {
    const found = []
    for (let place = 0; place < this.storage.length; place++) {
      const key = this.storage.key(place)
      if (key.startsWith(start)) found.push(key)
    }
    return found.sort() // ULIDs sort by time
  }

  // Several pages share one storage: they take turns, so that a thing is mostly sent once. (Twice would do no harm.)
  run() {
    const work = () => this.work()
    return globalThis.navigator?.locks ? navigator.locks.request(`${this.prefix}-sender`, work) : work()
  }

  async work() {
    while (!this.closed) {
      const batch = this.batch()
      if (!batch.length) {
        this.most = MAX_BATCH
        await this.sleep(1000)
        continue
      }
      const { status, said, retryAfterMs } = await this.post(batch)
      if (status === 204) {
        for (const { key } of batch) this.storage.removeItem(key)
        this.most = Math.min(MAX_BATCH, this.most * 2) // after a split, grow again
        this.failures = 0
        this.trouble = null
      } else if (REFUSED.includes(status) && batch.length > 1) {
        this.most = Math.max(1, Math.floor(batch.length / 2)) // one of them is bad: halve until it is alone
      } else if (REFUSED.includes(status)) {
        this.park(batch[0], `${status} ${said}`)
      } else {
        this.trouble = status ? `${status} ${said}` : said
        await this.pause(retryAfterMs)
      }
    }
  }

  batch() {
    const chosen = []
    let size = 2
    for (const key of this.waiting().slice(0, this.most)) {
      const event = this.storage.getItem(key)
      if (event === null) continue // another page has had it acknowledged
      size += new TextEncoder().encode(event).length + 1
      if (chosen.length && size > MAX_BODY) break
      chosen.push({ key, event })
    }
    return chosen
  }

  // The bytes of an event are what was kept, whatever they are sent with. No content type: a browser would otherwise ask
  // the collector's leave first (a preflight), which doubles the requests of a crowd.
  async post(batch) {
    try {
      const answer = await fetch(this.urls[0], {
        method: "POST",
        body: `[${batch.map(({ event }) => event).join(",")}]`,
        signal: AbortSignal.timeout(this.timeoutMs),
      })
      const said = (await answer.text()).trim()
      return { status: answer.status, said, retryAfterMs: 1000 * (Number(answer.headers.get("Retry-After")) || 0) }
    } catch (error) {
      return { status: 0, said: `no answer from ${this.urls[0]}: ${error.message}`, retryAfterMs: 0 }
    }
  }

  park({ key, event }, reason) {
    const id = key.slice(this.prefix.length + 1)
    this.storage.setItem(`${this.prefix}-parked:${id}`, JSON.stringify({ event, reason }))
    this.storage.removeItem(key)
  }

  // Waits before the same events are sent again: longer each time, never in step with other clients.
  async pause(retryAfterMs) {
    this.urls.push(this.urls.shift())
    const most = Math.min(FIRST_PAUSE_MS * 2 ** this.failures, LAST_PAUSE_MS)
    this.failures = Math.min(this.failures + 1, 16)
    const until = Date.now() + Math.min(retryAfterMs, LAST_PAUSE_MS) + most / 2 + (Math.random() * most) / 2
    while (!this.closed && Date.now() < until) await this.sleep(Math.min(500, until - Date.now()))
  }

  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  // The page goes: what fits is sent once more, without waiting for the answer. It stays kept: if it is acknowledged
  // unheard, the next page sends the same bytes again, which changes nothing.
  sendBeforeTheEnd() {
    const batch = this.batch()
    if (batch.length) globalThis.navigator?.sendBeacon?.(this.urls[0], `[${batch.map(({ event }) => event).join(",")}]`)
  }
}
