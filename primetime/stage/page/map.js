// The path of an update: places from left to right, hosts in them, flows between them as wide as they are fast.

const ORDER = ["balancer", "collector", "shipper", "stores"]
const STORES = ["hbase", "redis"]
const NAMES = { hbase: "HBase", redis: "Redis", shipper: "shipper" }
const STATES = { up: "● up", down: "✕ down", cut: "✕ cut" }
const AWAY = { down: "does not run", cut: "its cable is pulled" }
const THINNEST = 2, WIDEST = 26
const LONG = 5 // columns from which on boxes are narrow
const SOME = 3, MANY = 5 // hosts in a column from which on boxes are lower, and lowest

const number = new Intl.NumberFormat("en-US")

export class PathMap {
  // open(name): somebody wants to look at a node from close by
  constructor(places, flows, open) {
    this.places = places
    this.flows = flows
    this.open = open
    this.shape = ""
    new ResizeObserver(() => this.drawn && this.draw(this.drawn)).observe(places)
  }

  show(snapshot) {
    const shape = JSON.stringify(snapshot.nodes.map((node) => [node.name, node.kind]))
    if (shape !== this.shape) this.build(snapshot.nodes)
    this.shape = shape
    for (const node of snapshot.nodes) this.host(node, snapshot)
    this.draw(snapshot)
  }

  build(nodes) {
    this.hosts = new Map(nodes.map((node) => [key(node.name, node.kind), this.button(node)]))
    const phones = element("div", "phones", element("b", "", "phones"), element("span", "rate", ""))
    const beside = nodes.filter((node) => node.kind === "other") // no update passes them
    const columns = [column([phones, ...beside.map((node) => this.hosts.get(key(node.name, node.kind)))])]
    for (const place of ORDER) {
      const kinds = place === "stores" ? STORES : [place]
      const here = kinds.flatMap((kind) => nodes.filter((node) => node.kind === kind))
      if (!here.length) continue
      columns.push(column(here.map((node) => this.hosts.get(key(node.name, node.kind)))))
    }
    this.places.classList.toggle("long", columns.length >= LONG)
    this.places.replaceChildren(...columns)
  }

  button(node) {
    const what = NAMES[node.kind]
    const title = element("b", "", what ?? node.name)
    if (what && node.kind !== "shipper" && node.name !== what) title.append(element("small", "", ` ${node.name}`))
    if (node.kind === "other") title.append(element("small", "soft", ` ${roleOf(node)}`))
    const host = element("button", "host", title, element("span", "state", element("span", "", ""), element("span", "word", ""), element("span", "mark", "")),
      element("span", "more load", ""), element("span", "more checks soft", ""), element("i", "queue"))
    host.type = "button"
    host.title = node.name
    host.dataset.node = node.name
    host.dataset.kind = node.kind
    host.addEventListener("click", () => this.open(node.name))
    return host
  }

  host(node, snapshot) {
    const host = this.hosts.get(key(node.name, node.kind))
    host.className = `host ${node.state}`
    const [sign, word] = STATES[node.state].split(" ")
    const said = [sign, ` ${word}`, mark(node)]
    said.forEach((text, place) => (host.querySelector(".state").children[place].textContent = text))
    const mine = snapshot.queues.filter((queue) => (node.kind === "shipper" ? queue.node === node.name : queue.sink === node.kind && !queue.silent))
    // a store is out of reach when no shipper that says anything reaches it
    const failing = node.kind === "shipper" || mine.every((queue) => queue.failing) ? mine.find((queue) => queue.failing) : undefined
    const load = host.querySelector(".load")
    const away = AWAY[node.state]
    const accepted = snapshot.accepted?.[node.name]
    const refuses = node.kind === "collector" && snapshot.refusing?.includes(node.name)
    load.classList.toggle("why", Boolean(failing || away || refuses || (node.kind === "collector" && accepted === null)))
    load.textContent = away ?? (refuses ? "answers 503: wait" : doing(node, mine, failing, accepted))
    load.title = failing ? failing.failing : ""
    host.querySelector(".checks").textContent = checks(node)
    const waiting = node.kind === "shipper" ? Math.max(0, ...mine.map((queue) => queue.waiting)) : 0
    host.querySelector(".queue").style.width = `${Math.min(100, (100 * waiting) / snapshot.goal)}%`
  }

  draw(snapshot) {
    this.drawn = snapshot
    const frame = this.places.getBoundingClientRect()
    const down = frame.width < 600
    const box = (host) => {
      const { left, top, width, height } = host.getBoundingClientRect()
      return { x: left - frame.left, y: top - frame.top, width, height }
    }
    const all = (kind) => [...this.places.querySelectorAll(kind === "phones" ? ".phones" : `[data-kind="${kind}"]`)]
    const state = (host) => (host.dataset.node ? snapshot.nodes.find((node) => node.name === host.dataset.node)?.state : "up")
    const rates = ratesOf(snapshot)
    const parts = []
    for (const [from, to, rate] of links((kind) => all(kind).length, rates)) {
      for (const a of all(from)) {
        for (const b of all(to)) {
          if (to === "shipper" && a.dataset.node !== b.dataset.node) continue // it ships its own host's spool
          const apart = state(a) !== "up" || state(b) !== "up"
          const way = { from: a.dataset.node ?? from, to: b.dataset.node, place: to }
          parts.push(...flow(way, box(a), box(b), rate(way.from, way.to), snapshot.goal / 5, apart, down))
        }
      }
    }
    this.flows.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`)
    reuse(this.flows, parts)
    this.places.querySelector(".phones .rate").textContent = rates.all ? per(rates.all) : "quiet"
  }
}

// What each collector accepts a second, what each shipper brings to a sink, and what all phones send.
function ratesOf(snapshot) {
  const collectors = snapshot.nodes.filter((node) => node.kind === "collector")
  const said = snapshot.accepted ?? {} // a session that an earlier version saved has none
  const told = collectors.every((node) => node.name in said)
  const all = told ? Object.values(said).reduce((total, rate) => total + (rate ?? 0), 0) : snapshot.counter.rate
  return {
    all,
    accepted: (name) => (told ? said[name] ?? 0 : all / collectors.length),
    shipped: (name, sink) => sum(snapshot.queues.filter((queue) => queue.sink === sink && queue.node === name), "rate"),
  }
}

// [from, to, (from's node, to's node) → updates a second]: without a balancer phones go to the collectors themselves.
function links(count, rates) {
  const into = count("balancer")
    ? [["phones", "balancer", () => rates.all / count("balancer")], ["balancer", "collector", (_, to) => rates.accepted(to) / count("balancer")]]
    : [["phones", "collector", (_, to) => rates.accepted(to)]]
  const shipped = STORES.map((sink) => ["shipper", sink, (from) => rates.shipped(from, sink) / count(sink)])
  return [...into, ["collector", "shipper", (from) => Math.max(...STORES.map((sink) => rates.shipped(from, sink)))], ...shipped]
}

function doing(node, queues, failing, accepted) {
  if (node.kind === "shipper") return waits(queues, failing)
  if (node.kind === "collector") return accepted === undefined ? "" : accepted === null ? "says nothing" : `${per(accepted)} accepted`
  if (!STORES.includes(node.kind)) return ""
  return failing ? "out of reach" : `${per(sum(queues, "rate"))} ${node.kind === "redis" ? "counted" : "stored"}`
}

function waits(queues, failing) {
  const most = queues.reduce((a, b) => (b.waiting > (a?.waiting ?? -1) ? b : a), null)
  if (!most) return ""
  if (most.waiting) return `${number.format(most.waiting)} for ${NAMES[most.sink]}`
  return failing?.silent ? "says nothing" : failing ? failing.failing : "nothing waits"
}

// The promises of a place that are not kept: a shipper has its own role's, the host's others stand with its other places.
// None when nobody has looked.
// What does not run keeps none now, whatever was proved before.
const broken = (node) => node.state !== "up" ? undefined : node.verified?.filter((promise) => promise.startsWith("shipper:") === (node.kind === "shipper"))

function checks(node) {
  const found = broken(node)
  return node.state !== "up" ? "" : !found ? "not proved yet" : found.length ? `✕ ${found.length} not kept` : "✓ promises kept"
}

function mark(node) {
  const found = broken(node)
  return !found ? "" : found.length ? ` ✕${found.length}` : " ✓"
}

// What a host does that no update passes: its roles, without those that every host has.
const roleOf = (node) => node.groups.filter((group) => !group.includes("_") && group !== "base").join(", ")

function column(hosts) {
  const how = hosts.length >= MANY ? "column some many" : hosts.length >= SOME ? "column some" : "column"
  return element("div", how, ...hosts)
}

function flow({ from, to, place }, a, b, rate, most, apart, down) {
  const width = apart ? THINNEST : Math.min(WIDEST, THINNEST + (WIDEST - THINNEST) * Math.sqrt(rate / most))
  let d
  if (down) {
    const x = a.x + a.width / 2
    d = `M${x} ${a.y + a.height}L${x} ${b.y}`
  } else {
    const [x0, y0, x1, y1] = [a.x + a.width, a.y + a.height / 2, b.x, b.y + b.height / 2]
    const bend = (x1 - x0) / 2
    d = `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`
  }
  const kind = apart ? "cut" : rate >= 1 ? "moving" : ""
  return [
    ["path", { d, class: kind, "stroke-width": width.toFixed(1), "data-from": from, "data-to": to, "data-place": place }],
    ["path", { d, class: `pulse ${kind}` }],
  ]
}

// The same elements, changed: an animation that is begun anew four times a second would stand still.
function reuse(svg, parts) {
  parts.forEach(([tag, attributes], place) => {
    let part = svg.children[place]
    if (part?.tagName !== tag) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
      part ? part.replaceWith(made) : svg.append(made)
      part = made
    }
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value)
  })
  while (svg.children.length > parts.length) svg.lastChild.remove()
}

const key = (name, kind) => `${kind}/${name}`
const sum = (items, key) => items.reduce((total, item) => total + item[key], 0)
const per = (rate) => `${number.format(Math.round(rate))}/s`

export function element(tag, name, ...children) {
  const made = document.createElement(tag)
  if (name) made.className = name
  made.append(...children)
  return made
}
