// A phone in the room. It makes each vote once, with its own id, and sends the same one until it is on disk.

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
const said = document.getElementById("said")
const choices = document.getElementById("choices")
const user = (localStorage.user ??= `phone-${random(16).toLowerCase()}`)
let here = null // where the show was, and when that was
let vote = null

function random(length) {
  return [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => CROCKFORD[byte % 32]).join("")
}

function ulid() {
  let left = Date.now()
  let time = ""
  for (let place = 0; place < 10; place += 1) {
    time = CROCKFORD[left % 32] + time
    left = Math.floor(left / 32)
  }
  return time + random(16)
}

async function begin() {
  try {
    const poll = await (await fetch("/poll")).json()
    here = { pos_ms: poll.pos_ms, at: performance.now() }
    choices.replaceChildren(...poll.choices.map(button))
  } catch {
    said.textContent = "The stage does not answer. Trying again."
    setTimeout(begin, 1500)
  }
}

function button(choice) {
  const made = document.createElement("button")
  made.type = "button"
  made.textContent = choice.toUpperCase()
  made.setAttribute("aria-pressed", "false")
  made.addEventListener("click", () => {
    for (const each of choices.children) each.setAttribute("aria-pressed", String(each === made))
    vote = { id: ulid(), user, choice, pos_ms: Math.round(here.pos_ms + performance.now() - here.at) }
    send(vote)
  })
  return made
}

async function send(mine) {
  said.textContent = "Sending…"
  let status = 0
  let words = ""
  try {
    const answer = await fetch("/votes", { method: "POST", body: JSON.stringify(mine) })
    status = answer.status
    words = await answer.text()
  } catch {
    words = "No answer."
  }
  if (mine !== vote) return // another choice was made meanwhile
  if (status === 204) said.textContent = `✓ ${mine.choice.toUpperCase()} is on disk and counts.`
  else if (status === 400 || status === 403 || status === 421) said.textContent = words
  else {
    said.textContent = `${words} Trying again.`
    setTimeout(() => mine === vote && send(mine), 1000)
  }
}

begin()
