// The page: snapshots in, numbers out; keys and buttons. The token comes in the address's fragment and stays in this tab.

import { PathMap, element } from "/map.js"

const number = new Intl.NumberFormat("en-US")
const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })
const $ = (id) => document.getElementById(id)
const still = matchMedia("(prefers-reduced-motion: reduce)")
const STALE_MS = 3000

const token = (() => {
  const given = location.hash.slice(1)
  if (given) {
    sessionStorage.setItem("token", given)
    history.replaceState(null, "", location.pathname)
  }
  return sessionStorage.getItem("token") ?? ""
})()

const map = new PathMap($("places"), $("flows"), openNode)
let snapshot = null
let recording = null // while one is played: { wholes, place, playing, fromMs, beganMs }
let heardMs = performance.now()
let skewMs = 0 // the stage's clock less this browser's
let refusal = { line: "", atMs: 0 }
const ASK_AGAIN_MS = 4000 // within it Reset is pressed a second time
let resetAskedMs = -ASK_AGAIN_MS

// -- what comes in

function listen() {
  const source = new EventSource(`/snapshots?token=${encodeURIComponent(token)}`)
  source.onmessage = (event) => {
    heardMs = performance.now()
    if (!recording) show(JSON.parse(event.data))
  }
  source.onerror = async () => {
    if (source.readyState !== EventSource.CLOSED) return // it comes back by itself
    const why = await refused()
    if (why) stop(why)
    else setTimeout(listen, 1000)
  }
}

async function refused() {
  try {
    const answer = await ask("/snapshot")
    return answer.status === 401 ? await answer.text() : ""
  } catch {
    return ""
  }
}

const ask = (path, method = "GET") => fetch(path, { method, headers: { Authorization: `Bearer ${token}` } })

function stop(why) {
  $("stop").hidden = false
  $("stop").firstElementChild.textContent = why
}

// -- what is shown

function show(now) {
  snapshot = now
  skewMs = now.at_ms - Date.now()
  document.body.classList.remove("waiting")
  document.title = `${now.show} · primetime`
  text("show", now.show)
  count(now.counter.last)
  text("goal", `of ${number.format(now.goal)}`)
  text("scale", now.scale === 1 ? "· full scale" : `· scale 1:${now.scale}`)
  const behind = now.counter.behind_s ? ` · ${now.counter.behind_s.toFixed(0)} s ago` : ""
  text("since", `${number.format(now.counter.total)} since first opened · ${now.counter.counted}${behind}`)
  const percent = (updates) => Math.min(100, (100 * updates) / now.goal)
  const part = percent(now.counter.last)
  $("fill").style.width = `${part}%`
  const best = now.counter.best ?? 0 // a session that an earlier version saved has none
  const burst = best >= now.goal / 10
  text("best", burst ? `best ${number.format(best)} ·` : "")
  $("best-mark").hidden = !burst
  $("best-mark").style.left = `max(0px, ${percent(best)}% - 3px)`
  $("fill").parentElement.setAttribute("aria-valuenow", part.toFixed(0))
  document.body.classList.toggle("reached", now.counter.last >= now.goal)
  curve(now.counter.history, now.goal / 5)
  map.show(now)
  poll(now.poll)
  proof(now)
  moments(now.moments)
  share(now.vote_at)
  money(now)
  pairs($("health"), Object.entries(now.health ?? {}))
  clock()
}

function text(id, words) {
  const place = $(id)
  if (place.textContent !== words) place.textContent = words
}

// The large number goes to its next value within one tick, so that it is read as moving, not as jumping.
let shown = 0
let goingFrom = 0
let goingTo = 0
let goingSince = 0

function count(value) {
  goingFrom = shown
  goingTo = value
  goingSince = performance.now()
  if (still.matches) step(Infinity)
  else requestAnimationFrame(step)
}

function step(now) {
  const part = Math.min(1, Math.max(0, (now - goingSince) / 240))
  shown = Math.round(goingFrom + (goingTo - goingFrom) * part)
  text("last", number.format(shown))
  if (part < 1) requestAnimationFrame(step)
}

function curve(history, most) {
  const top = Math.max(most, ...history)
  const points = history.map((rate, place) => `${((120 * place) / (history.length - 1)).toFixed(1)} ${(30 - (29 * rate) / top).toFixed(2)}`)
  $("curve").setAttribute("d", `M0 30L${points.join("L")}L120 30Z`)
  $("aim").setAttribute("d", `M0 ${(30 - (29 * most) / top).toFixed(2)}H120`)
  text("curve-says", `a second, in the last minute; dashes: ${number.format(most)}`)
}

function poll(now) {
  const choices = now?.choices ?? []
  const votes = choices.reduce((sum, [, users]) => sum + users, 0)
  const title = now ? `${pollName(now)} · ${number.format(votes)}` : "No votes yet"
  if ($("poll-name").textContent !== title) $("poll-name").replaceChildren(...titled(title))
  const most = Math.max(0, ...choices.map(([, users]) => users))
  const list = $("choices")
  while (list.children.length > choices.length) list.lastChild.remove()
  choices.forEach(([choice, users], place) => {
    const item = list.children[place] ?? list.appendChild(element("li", "", element("span", "choice"), element("span", "bar", element("i", "")), element("span", "part"), element("span", "users soft")))
    item.classList.toggle("leads", users === most && most > 0)
    item.querySelector(".choice").textContent = choice.toUpperCase()
    item.querySelector(".bar i").style.width = `${votes ? (100 * users) / votes : 0}%`
    item.querySelector(".part").textContent = `${votes ? Math.round((100 * users) / votes) : 0} %`
    item.querySelector(".users").textContent = number.format(users)
  })
}

// Its name for people; a poll of another show than the page's says so.
function pollName({ name, show }) {
  const [, hours, minutes] = name.match(/^vote-(\d\d)(\d\d)\d\d$/) ?? []
  const said = name === "room" ? "The room votes" : hours ? `The vote at ${hours}:${minutes}` : `Poll ${name}`
  return show && show !== snapshot.show ? `${said} of ${show}` : said
}

function titled(words) {
  const [title, votes] = words.split(" · ")
  return votes ? [title, element("small", "soft", ` ${votes} votes`)] : [title]
}

function proof(now) {
  const { proof } = now
  const known = proof.at_ms > 0
  for (const name of ["sent", "stored", "duplicates", "waiting", "dead"]) text(name, known || name === "waiting" ? number.format(proof[name]) : "–")
  const compared = proof.checked_ms > 0 || proof.missing > 0
  text("missing", known && compared ? number.format(proof.missing) : "–")
  const wrong = proof.missing > 0 || proof.problems.length > 0
  document.querySelector(".proof").classList.toggle("wrong", wrong)
  const fine = proof.comparing ? "… comparing" : !compared ? "not compared yet" : proof.waiting ? "✓ none so far" : "✓ nothing is missing"
  text("mark", !known ? "" : wrong ? `✕ ${proof.problems[0] ?? "acknowledged, not stored"}` : fine)
}

function share(address) {
  document.body.classList.toggle("shared", Boolean(address))
  if ($("scan").hidden === !address) return
  $("scan").hidden = !address
  if (address) $("scan-code").src = $("large-code").src = "/vote.svg"
  for (const place of document.querySelectorAll(".vote-at")) place.textContent = address.slice("http:".length + 2)
}

// What it costs, and when it goes: half a line on the page, all of it in the drawer.
function money({ price, cost, capacity, nodes }) {
  text("price", price ?? "")
  pairs($("cost"), Object.entries(cost ?? {}))
  const rows = (capacity ?? []).map(({ name, least, most, size, hour }) => {
    const here = new Set(nodes.filter((node) => node.name.startsWith(`${name}-`)).map((node) => node.name)).size
    return [name, here || "–", least === most ? least : `${least} to ${most}`, size, hour === null ? "unknown" : hour.toFixed(3)]
  })
  const table = $("capacity")
  const words = JSON.stringify(rows)
  table.hidden = !rows.length
  if (table.dataset.words === words) return
  table.dataset.words = words
  table.tBodies[0].replaceChildren(...rows.map((row) => element("tr", "", ...row.map((cell, place) => element("td", [1, 2, 4].includes(place) ? "n" : "", String(cell))))))
}

function moments(all) {
  const reset = all.find((moment) => moment.id === "reset")
  resettable(reset)
  const now = all.filter((moment) => moment.key)
  const place = $("buttons")
  const ids = now.map((moment) => moment.id).join()
  if (place.dataset.ids !== ids) {
    place.dataset.ids = ids
    place.replaceChildren(...now.map((moment) => {
      const button = element("button", "", element("span", "sign", element("kbd", "", moment.key.toUpperCase()), element("span", "how", "")), name(moment.name))
      button.type = "button"
      button.dataset.moment = moment.id
      button.addEventListener("click", () => begin(moment.id))
      return button
    }))
  }
  const signs = { ready: "", running: "…", done: "✓", failed: "✕" }
  now.forEach((moment, at) => {
    const button = place.children[at]
    button.className = moment.state
    button.setAttribute("aria-disabled", String(Boolean(moment.refused)))
    button.title = moment.refused || moment.line
    button.querySelector(".how").textContent = signs[moment.state]
  })
  tell(all, signs)
}

// What was asked for last, and what ran beside it: a fault's line stays beside its burst's.
function tell(all, signs) {
  const refused = refusal.line && performance.now() < refusal.atMs + 4000
  const begun = all.filter((moment) => moment.state !== "ready")
  const ends = (moment) => (moment.state === "running" ? Infinity : moment.since_ms)
  const latest = begun.reduce((a, b) => (ends(b) > ends(a) || (ends(b) === ends(a) && b.began_ms > a.began_ms) ? b : a), begun[0])
  const beside = begun.filter((moment) => moment !== latest && ends(moment) >= latest.began_ms).sort((a, b) => b.began_ms - a.began_ms)[0]
  const lines = refused ? [["", refusal.line]] : !latest ? [["", READY]] : [beside, latest].filter(Boolean).sort((a, b) => a.began_ms - b.began_ms).map((moment) => [moment.key.toUpperCase() || moment.name, `${moment.line} ${signs[moment.state]}`])
  const words = JSON.stringify(lines)
  if ($("told").dataset.words === words) return
  $("told").dataset.words = words
  $("told").replaceChildren(...lines.map(([key, line]) => element("p", "", ...(key ? [element("kbd", "", key), " "] : []), line)))
}

const READY = "Nothing was asked for yet: B asks everybody at once."

// The reset is in the drawer, and wants to be pressed twice: what the last show has left goes.
function resettable(moment) {
  if (!moment) return
  const asked = performance.now() < resetAskedMs + ASK_AGAIN_MS
  const first = $("reset-says").dataset.first ??= $("reset-says").textContent
  $("reset").setAttribute("aria-disabled", String(Boolean(moment.refused)))
  text("reset", asked ? "Press again to reset" : "Reset")
  text("reset-says", moment.state !== "ready" ? moment.line : moment.refused ? `Not now: ${moment.refused}.` : first)
}

// Its first word, which is read from the back of the room, and the rest below it.
function name(words) {
  const [first, ...more] = words.split(" ")
  return more.length ? element("span", "", `${first} `, element("small", "", more.join(" "))) : element("span", "", first)
}

function clock() {
  const nowMs = Date.now() + skewMs
  const stale = performance.now() - heardMs
  const lost = stale > STALE_MS && !recording
  document.body.classList.toggle("stale", lost && snapshot !== null)
  const played = recording && `▶ recorded ${WHEN.format(snapshot.at_ms)}`
  text("contact", played ? played : lost ? `✕ no contact for ${(stale / 1000).toFixed(0)} s` : snapshot ? `● live · ${snapshot.topology}` : "○ connecting")
  if (!snapshot) return
  const { proof, next } = snapshot
  const words = []
  if (proof.at_ms) words.push(`ledger read ${ago(nowMs - proof.at_ms)}`)
  words.push(proof.checked_ms ? `ids compared one by one ${ago(nowMs - proof.checked_ms)}` : "no id compared yet")
  if (proof.trouble) words.push(`now: ${proof.trouble}`)
  if (snapshot.verified_ms && !recording) words.push(`promises proved ${ago(nowMs - snapshot.verified_ms)}`)
  text("age", words.join(" · "))
  const comes = next && next.at_ms >= nowMs
  $("next").classList.toggle("soft", !comes)
  text("next-name", comes ? next.name : recording ? "" : "S begins the script")
  text("next-in", comes ? countdown(next.at_ms - nowMs) : "")
  const cue = comes ? next.name.match(/\[(.)\]$/)?.[1].toLowerCase() : ""
  for (const item of document.querySelectorAll("[data-cue]")) item.toggleAttribute("data-next", item.dataset.cue === cue)
  leaves(snapshot.expires_ms, nowMs)
}

function leaves(atMs, nowMs) {
  const left = atMs ? countdown(atMs - nowMs) : ""
  text("expiry", atMs ? `removes itself in ${left}` : "")
  $("stay").hidden = !atMs
  text("stay-says", atMs ? `Its machines remove themselves in ${left}.` : "Its machines stay until bin/primetime down; demo --expires 2h would have them remove themselves.")
}

function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return `${seconds} s ago`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`
}

function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (part) => String(part).padStart(2, "0")
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

function pairs(list, entries) {
  const words = JSON.stringify(entries)
  if (list.dataset.words === words) return
  list.dataset.words = words
  list.replaceChildren(...entries.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]))
}

// -- a recording: primetime/stage/recording.py says what is in it

function play(changes) {
  if (!changes.length) return refuse("Nothing was recorded in it.")
  const wholes = []
  let whole = {}
  for (const change of changes) {
    whole = { ...whole, ...change }
    const refused = whole.moments.map((moment) => ({ ...moment, refused: "this is a recording" }))
    wholes.push({ ...whole, moments: refused, next: null, vote_at: "" })
  }
  recording = { wholes, beganMs: performance.now(), fromMs: 0, playing: true, place: -1 }
  $("drawer").close()
  $("player").hidden = false
  $("leave").hidden = !token
  $("place").max = String(lengthMs())
  document.body.classList.add("recorded")
  seek(0)
  requestAnimationFrame(roll)
}

const HISTORY = 120, STEP_MS = 500 // as a live snapshot has it

// The place of the last snapshot at or before a moment; -1 before the first.
const placeAt = (ms) => recording.wholes.findLastIndex((each) => each.at_ms <= ms)

function ratesUntil(place) {
  const { at_ms } = recording.wholes[place]
  return Array.from({ length: HISTORY }, (_, step) => recording.wholes[placeAt(at_ms - STEP_MS * (HISTORY - 1 - step))]?.counter.rate ?? 0)
}

const lengthMs = () => recording.wholes.at(-1).at_ms - recording.wholes[0].at_ms
const atMs = () => Math.min(lengthMs(), recording.fromMs + (recording.playing ? performance.now() - recording.beganMs : 0))

function seek(ms) {
  recording.fromMs = ms
  recording.beganMs = performance.now()
  frame()
}

function roll() {
  if (!recording) return
  frame()
  if (recording.playing && atMs() >= lengthMs()) pause(true)
  requestAnimationFrame(roll)
}

function frame() {
  const ms = atMs()
  const place = placeAt(recording.wholes[0].at_ms + ms)
  if (place !== recording.place) {
    recording.place = place
    const whole = recording.wholes[place]
    show({ ...whole, counter: { ...whole.counter, history: ratesUntil(place) } })
  }
  $("place").value = String(ms)
  text("elapsed", `${countdown(Math.floor(ms / 1000) * 1000)} of ${countdown(lengthMs())}`)
}

function pause(paused) {
  recording.fromMs = atMs()
  recording.beganMs = performance.now()
  if (!paused && recording.fromMs >= lengthMs()) recording.fromMs = 0
  recording.playing = !paused
  $("play").lastElementChild.textContent = paused ? "Play" : "Pause"
}

function leave() {
  recording = null
  $("player").hidden = true
  document.body.classList.remove("recorded")
}

async function open_(file) {
  const page = new DOMParser().parseFromString(await file.text(), "text/html")
  const found = page.getElementById("recorded")
  if (found) play(JSON.parse(found.textContent))
  else refuse(`${file.name} is no session that a stage has saved.`)
}

async function save() {
  const answer = await ask("/session.html")
  if (!answer.ok) return refuse(await answer.text())
  const link = document.createElement("a")
  link.href = URL.createObjectURL(await answer.blob())
  link.download = `${snapshot.show}-${new Date().toISOString().slice(0, 16).replace(":", "")}.html`
  link.click()
  URL.revokeObjectURL(link.href)
}

// -- what goes out

async function begin(id) {
  if (recording) return refuse("This is a recording.")
  try {
    const answer = await ask(`/moments/${id}`, "POST")
    if (answer.status === 202) refusal.line = ""
    else refuse(answer.status === 409 ? (await answer.json()).refused : await answer.text())
  } catch {
    refuse("The stage does not answer.")
  }
}

function refuse(line) {
  refusal = { line, atMs: performance.now() }
  if (snapshot) moments(snapshot.moments)
}

function reset() {
  const again = performance.now() < resetAskedMs + ASK_AGAIN_MS
  resetAskedMs = again ? -ASK_AGAIN_MS : performance.now()
  if (again) begin("reset")
  if (snapshot) moments(snapshot.moments)
}

async function stay() {
  try {
    const answer = await ask("/expiry", "POST")
    if (!answer.ok) refuse((await answer.json()).refused)
  } catch {
    refuse("The stage does not answer.")
  }
}

async function openNode(name) {
  if (recording) return refuse("This is a recording: machines are not asked.")
  text("node-name", name)
  $("node-body").replaceChildren(element("p", "soft", "looking…"))
  $("node").showModal()
  let found
  try {
    found = await (await ask(`/nodes/${encodeURIComponent(name)}`)).json()
  } catch {
    found = { trouble: "The stage does not answer." }
  }
  const body = []
  const section = (title, ...parts) => body.push(element("h3", "", title), ...parts)
  if (found.trouble) body.push(element("p", "", found.trouble))
  if (found.groups) body.push(element("p", "soft", found.groups.join(" · ")))
  const verified = found.verified
  section("Checks", ...(verified == null ? [element("p", "", "Not proved since this page's stage began: press P.")] : verified.length ? verified.map((broken) => element("p", "", `✕ ${broken}`)) : [element("p", "", `✓ every promise kept, proved ${ago(Date.now() + skewMs - found.verified_ms)}`)]))
  if (found.services) section("Services", list(found.services.map(([unit, state]) => [unit, state === "running" ? "● running" : state])))
  if (found.shipper?.sinks) section("Shipper", list(Object.entries(found.shipper.sinks).flatMap(([sink, said]) => [[`${sink}: waiting`, number.format(said.lag_events ?? 0)], [`${sink}: shipped`, number.format(said.events ?? 0)], ...(said.last_error ? [[`${sink}: last error`, said.last_error]] : [])])))
  if (found.figures) section("Figures", list(found.figures))
  if (found.log) section("End of the log", element("pre", "", found.log.join("\n")))
  $("node-body").replaceChildren(...body)
}

function list(entries) {
  const made = element("dl", "pairs")
  pairs(made, entries)
  return made
}

const other = { dark: "light", light: "dark" }

const KEYS = {
  d: () => ($("drawer").open ? $("drawer").close() : $("drawer").showModal()),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen().catch(() => {})),
  s: () => recording || ask("/script", "POST").catch(() => refuse("The stage does not answer.")),
  w: () => recording || save().catch(() => refuse("The stage does not answer.")),
  " ": () => recording && pause(recording.playing),
  q: () => ($("code").open ? $("code").close() : snapshot?.vote_at && $("code").showModal()),
  t: () => {
    const root = document.documentElement
    root.dataset.theme = other[root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")]
  },
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  const key = event.key.toLowerCase()
  if (key === " " && (!recording || event.target.closest("button, input"))) return // presses what has the focus
  if (KEYS[key]) {
    event.preventDefault()
    KEYS[key]()
    return
  }
  if (document.querySelector("dialog[open]")) return
  const moment = snapshot?.moments.find((each) => each.key === key)
  if (moment) begin(moment.id)
})
$("open-drawer").addEventListener("click", KEYS.d)
$("scan").addEventListener("click", KEYS.q)
$("turn").addEventListener("click", KEYS.s)
$("reset").addEventListener("click", reset)
$("stay").addEventListener("click", stay)
$("save").addEventListener("click", KEYS.w)
$("play").addEventListener("click", () => pause(recording.playing))
$("place").addEventListener("input", () => seek(Number($("place").value)))
$("leave").addEventListener("click", leave)
$("replay").addEventListener("change", () => $("replay").files.length && open_($("replay").files[0]))

setInterval(clock, 500)
const saved = $("recorded")
if (saved) play(JSON.parse(saved.textContent))
else if (token) listen()
else stop("Open the address that bin/primetime stage printed: this one lacks its token.")
