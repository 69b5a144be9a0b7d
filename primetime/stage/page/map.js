// The path of an update: places from left to right, hosts in them, flows between them as wide as they are fast.

const ORDER = ["balancer", "collector", "stores", "other"]
const STORES = ["hbase", "redis"]
const NAMES = { hbase: "HBase", redis: "Redis", collector: "collector", balancer: "balancer", other: "" }
const STATES = { up: "● up", down: "✕ down", cut: "✕ cut" }
const AWAY = { down: "does not run", cut: "its cable is pulled" }
const THINNEST = 2, WIDEST = 26

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
    const phones = element("div", "phones", element("b", "", "phones"), element("span", "rate", ""))
    const columns = [element("div", "column", phones)]
    for (const place of ORDER) {
      const kinds = place === "stores" ? STORES : [place]
      const here = kinds.flatMap((kind) => nodes.filter((node) => node.kind === kind))
      if (!here.length || place === "other") continue
      const column = element("div", here.length > 3 ? "column many" : "column", ...here.map((node) => this.button(node)))
      columns.push(column)
    }
    this.places.replaceChildren(...columns)
  }

  button(node) {
    const title = NAMES[node.kind] && !node.name.startsWith(node.kind) ? `${NAMES[node.kind]} · ${node.name}` : node.name
    const host = element("button", "host", element("b", "", title), element("span", "state", ""),
      element("span", "more load", ""), element("span", "more checks soft", ""), element("i", "queue"))
    host.type = "button"
    host.dataset.node = node.name
    host.dataset.kind = node.kind
    host.addEventListener("click", () => this.open(node.name))
    return host
  }

  host(node, snapshot) {
    const host = this.places.querySelector(`[data-node="${node.name}"][data-kind="${node.kind}"]`)
    host.className = `host ${node.state}`
    host.querySelector(".state").textContent = STATES[node.state]
    const mine = snapshot.queues.filter((queue) => (node.kind === "collector" ? queue.node === node.name : queue.sink === node.kind))
    const failing = mine.find((queue) => queue.failing)
    const load = host.querySelector(".load")
    const away = AWAY[node.state]
    const taken = `${per(sum(mine, "rate"))} ${node.kind === "redis" ? "counted" : "stored"}`
    load.classList.toggle("why", Boolean(failing || away))
    load.textContent = away ?? (node.kind === "collector" ? waits(mine, failing) : failing ? "out of reach" : taken)
    load.title = failing ? failing.failing : ""
    host.querySelector(".checks").textContent = checks(node.verified)
    const waiting = node.kind === "collector" ? Math.max(0, ...mine.map((queue) => queue.waiting)) : 0
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
    const entry = all("balancer").length ? "balancer" : "collector"
    const taken = Math.max(snapshot.counter.rate, sum(snapshot.queues.filter((queue) => queue.sink === "hbase"), "rate"))
    const pairs = [["phones", entry, () => taken / Math.max(1, all(entry).length)]]
    if (entry === "balancer") pairs.push(["balancer", "collector", () => taken / Math.max(1, all("collector").length)])
    for (const sink of STORES) {
      pairs.push(["collector", sink, (from) => sum(snapshot.queues.filter((queue) => queue.sink === sink && queue.node === from.dataset.node), "rate") / Math.max(1, all(sink).length)])
    }
    const parts = []
    for (const [from, to, rate] of pairs) {
      for (const a of all(from)) {
        for (const b of all(to)) {
          const broken = state(a) !== "up" || state(b) !== "up"
          parts.push(...flow(box(a), box(b), rate(a), snapshot.goal / 5, broken, down, all(from).length * all(to).length < 4))
        }
      }
    }
    this.flows.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`)
    reuse(this.flows, parts)
    this.places.querySelector(".phones .rate").textContent = taken ? `${per(taken)}` : "quiet"
  }
}

function waits(queues, failing) {
  const most = queues.reduce((a, b) => (b.waiting > (a?.waiting ?? -1) ? b : a), null)
  if (!most) return ""
  if (most.waiting) return `${number.format(most.waiting)} wait for ${NAMES[most.sink]}`
  return failing ? failing.failing : "nothing waits"
}

function checks(verified) {
  if (verified === null || verified === undefined) return "not proved yet"
  return verified.length ? `✕ ${verified.length} ${verified.length === 1 ? "promise" : "promises"} not kept` : "✓ every promise kept"
}

function flow(a, b, rate, most, broken, down, labelled) {
  const width = broken ? THINNEST : Math.min(WIDEST, THINNEST + (WIDEST - THINNEST) * Math.sqrt(rate / most))
  let d, x, y
  if (down) {
    x = a.x + a.width / 2
    y = (a.y + a.height + b.y) / 2
    d = `M${x} ${a.y + a.height}L${x} ${b.y}`
  } else {
    const [x0, y0, x1, y1] = [a.x + a.width, a.y + a.height / 2, b.x, b.y + b.height / 2]
    const bend = (x1 - x0) / 2
    d = `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`
    x = x1 - 8
    y = y1 > y0 + 4 ? y1 + width / 2 + 17 : y1 - width / 2 - 7
  }
  const kind = broken ? "cut" : rate >= 1 ? "moving" : ""
  const text = labelled && rate >= 1 && !broken ? per(rate) : ""
  return [
    ["path", { d, class: kind, "stroke-width": width.toFixed(1) }],
    ["path", { d, class: `pulse ${kind}` }],
    ["text", { x, y }, text],
  ]
}

// The same elements, changed: an animation that is begun anew four times a second would stand still.
function reuse(svg, parts) {
  parts.forEach(([tag, attributes, text], place) => {
    let part = svg.children[place]
    if (part?.tagName !== tag) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
      part ? part.replaceWith(made) : svg.append(made)
      part = made
    }
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value)
    if (text !== undefined) part.textContent = text
  })
  while (svg.children.length > parts.length) svg.lastChild.remove()
}

const sum = (items, key) => items.reduce((total, item) => total + item[key], 0)
const per = (rate) => `${number.format(Math.round(rate))}/s`

export function element(tag, name, ...children) {
  const made = document.createElement(tag)
  if (name) made.className = name
  made.append(...children)
  return made
}
