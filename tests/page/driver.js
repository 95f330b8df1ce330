// Uses the page as a person does, and reports each step. What a step expects is asserted in it.

const PATIENCE_MS = 60_000;
const plan = new URLSearchParams(location.search);
const report = { steps: [], figures: {}, agent: navigator.userAgent };
const $ = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

async function until(what, condition, patience = PATIENCE_MS) {
  const end = performance.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited in vain: ${what}; the page says: ${$("main").innerText.slice(0, 300)} | ${$("#trouble").innerText} | ${$("#player").innerText}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

const go = async (hash, heading) => {
  location.hash = hash;
  await until(`the page ${hash}`, () => $("main h1")?.textContent.includes(heading));
};
const click = (element) => {
  element.focus();
  element.click();
};
const key = (name, target = document.activeElement) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
const type = (input, text) => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
const row = (name) => all(".track").find((each) => each.querySelector(".names a").textContent === name);
const fixture = async (name, as, kind) => new File([await (await fetch(`test/${name}`)).blob()], as, { type: kind });
const choose = (input, ...files) => {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
};
const control = (query) => fetch(`test/set?${query}`);

async function accessible(where) {
  const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
  expect(!violations.length, `${where}: ${violations.map((each) => `${each.id} at ${each.nodes.map((node) => node.target).join(", ")}: ${each.nodes[0].failureSummary}`).join("; ")}`);
  const { scrollWidth, clientWidth } = document.documentElement;
  expect(scrollWidth <= clientWidth, `${where} is ${scrollWidth} wide, and ${clientWidth} are there`);
}

const steps = {
  async "the library is shown"() {
    await until("tracks", () => all(".track").length === Number(plan.get("tracks")));
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    report.figures.first_paint_ms = paint?.startTime ?? null;
    expect(all(".track canvas").length > 0, "no waveform");
    await accessible("the library");
  },
  async "search finds, by keyboard"() {
    key("/", document.body);
    expect(document.activeElement === $("#text"), "/ does not lead to the search");
    type($("#text"), "lanterns");
    await until("one track", () => all(".track").length === 1);
    expect($("main [role=status]").textContent === "1 track found", $("main [role=status]").textContent);
    $("#search").requestSubmit();
    expect(document.activeElement.className.includes("play"), "return does not lead to the first track");
    type($("#text"), "nothing is called so");
    await until("nothing", () => $("main").innerText.includes("Nothing matches"));
    type($("#text"), "");
    await until("all", () => all(".track").length === Number(plan.get("tracks")));
  },
  async "each format plays, seeks and ends"() {
    const sound = $("audio");
    for (const name of plan.get("plays").split("|")) {
      click(row(name).querySelector(".play"));
      await until(`${name} plays`, () => !sound.paused && sound.currentTime > 0.1);
      expect(row(name).classList.contains("current"), `${name} is not shown as playing`);
      const slider = $("#player input[type=range]");
      const middle = Number(slider.max) * 0.6;
      slider.value = middle;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await until(`${name} is at the middle`, () => !sound.seeking && sound.currentTime >= middle - 0.3);
      expect(/of \d+ minutes? \d+ seconds/.test(slider.getAttribute("aria-valuetext")), slider.getAttribute("aria-valuetext"));
      slider.value = Number(slider.max) - 0.8;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await until(`${name} ends`, () => sound.ended);
    }
    await accessible("the player");
  },
  async "keys play and pause"() {
    const sound = $("audio");
    key("k", document.body);
    await until("it plays", () => !sound.paused);
    key("k", document.body);
    await until("it pauses", () => sound.paused);
  },
  async "what the browser refuses is offered as a download"() {
    const name = plan.get("refused");
    expect(row(name).querySelector(".badge"), "no badge");
    click(row(name).querySelector(".play"));
    await until("a message", () => $("#player .message a")?.textContent === "Download it");
    expect($("#player .message").textContent.includes("does not play"), $("#player .message").textContent);
    await accessible("a refused file");
  },
  async "playing goes on after a broken connection"() {
    const sound = $("audio");
    await control("breaks=1");
    click(row(plan.get("long")).querySelector(".play"));
    const slider = $("#player input[type=range]");
    await until("it plays", () => sound.currentTime > 0.2);
    slider.value = Number(slider.max) - 1;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await until("it ends", () => sound.ended || sound.currentTime >= Number(slider.max) - 0.2);
    await control("breaks=0");
  },
  async "a track is edited"() {
    click(row("Paper Lanterns").querySelector(".names a"));
    await until("the track", () => $("main h1").textContent === "Paper Lanterns");
    expect(document.activeElement === $("main"), "the focus stays behind");
    await accessible("a track");
    type($("#field-title"), "Paper Lanterns, again");
    type($("#new-key"), "mood");
    type($("#new-key").nextElementSibling, "calm");
    $("form.fields").requestSubmit();
    await until("the title", () => $("main h1").textContent === "Paper Lanterns, again");
    expect($("#field-mood").value === "calm", "the new field is missing");
  },
  async "a change of somebody else is not overwritten"() {
    const id = location.hash.split("/").pop();
    await fetch(`v1/assets/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ custom: { mood: "loud" } }) });
    type($("#field-mood"), "sad");
    $("form.fields").requestSubmit();
    await until("the reason", () => !$("#trouble").hidden && $("#trouble").textContent.includes("Somebody else"));
    await until("their change", () => $("#field-mood").value === "loud");
    await accessible("a conflict");
    all("#trouble button").at(-1).click();
  },
  async "a cover of somebody else is not overwritten"() {
    const url = `v1/assets/${location.hash.split("/").pop()}`;
    const cover = async () => (await fetch(`${url}/thumbnail`, { cache: "reload" })).headers.get("etag");
    await fetch(`${url}/thumbnail`, { method: "PUT", headers: { "Content-Type": "image/png" }, body: await fixture("other.png", "theirs.png", "image/png") });
    const theirs = await cover();
    choose($("#cover"), await fixture("cover.png", "new.png", "image/png"));
    await until("the reason", () => !$("#trouble").hidden && $("#trouble").textContent.includes("Somebody else"));
    await until("their cover", () => $(".cover.large").naturalWidth === 32);
    expect((await cover()) === theirs, "their cover is gone");
    all("#trouble button").at(-1).click();
  },
  async "a track that somebody else has changed is not deleted"() {
    const url = `v1/assets/${location.hash.split("/").pop()}`;
    await fetch(url, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ custom: { place: "here" } }) });
    click(all("main button").find((each) => each.textContent === "Delete …"));
    click($("dialog button[value=yes]"));
    await until("the reason", () => !$("#trouble").hidden && $("#trouble").textContent.includes("Somebody else"));
    await until("their change", () => $("#field-place")?.value === "here");
    expect((await fetch(url)).ok, "it is gone");
    all("#trouble button").at(-1).click();
  },
  async "a track is shared, and no more"() {
    const button = (text) => all("main button").find((each) => each.textContent === text);
    click(button("Make a link"));
    const link = await until("a link", () => $("main input[readonly]")?.value);
    const page = await fetch(link, { credentials: "omit" });
    expect(page.ok && (await page.text()).includes("<audio controls"), "the link shows no player");
    await accessible("a link");
    click(button("Revoke all links"));
    await until("it is revoked", () => !$("main input[readonly]"));
    expect((await fetch(link, { credentials: "omit", cache: "reload" })).status === 410, "the link still works");
  },
  async "a cover is replaced"() {
    choose($("#cover"), await fixture("cover.png", "new.png", "image/png"));
    await until("a cover", () => $(".cover.large").naturalWidth === 64);
  },
  async "a track is analysed"() {
    await go("#/", "Library");
    const bare = await until("one without waveform", () => all(".track").find((each) => !each.querySelector("canvas")));
    click(bare.querySelector(".names a"));
    const button = await until("the button", () => all("main button").find((each) => each.textContent === "Analyse it"));
    click(button);
    await until("a waveform", () => $("canvas.wide"));
  },
  async "files are stored, or refused in our words"() {
    await go("#/upload", "Upload");
    await accessible("the upload");
    choose($("#files"), await fixture("tone.wav", "a tone.wav", "audio/wav"), await fixture("cover.png", "a tone.png", "image/png"), await fixture("cut.wav", "cut.wav", "audio/wav"), new File(["<html>"], "page.mp3", { type: "audio/mpeg" }));
    await until("all are answered", () => all("main li").length === 3 && all("main li").every((each) => /stored:|cut short|web page/.test(each.textContent)));
    expect(all("main li .error").length === 2, "two should be refused");
    await accessible("the uploads");
    click($("main li a"));
    await until("the track", () => $("main h1").textContent === "A tone of the tests");
    expect($(".cover.large").tagName === "IMG", "it has no cover");
  },
  async "a track is deleted, and restored"() {
    const id = location.hash.split("/").pop();
    const ask = () => click(all("main button").find((each) => each.textContent === "Delete …"));
    ask();
    expect($("dialog").open, "it is deleted without a question");
    await accessible("the question");
    click($("dialog button[value=no]"));
    expect($("main h1").textContent === "A tone of the tests", "it is gone");
    ask();
    click($("dialog button[value=yes]"));
    await until("it is gone", () => $("main h1").textContent.includes("was deleted"));
    expect(document.activeElement.textContent === "Restore it", "the focus is elsewhere");
    document.activeElement.click();
    await until("it is back", () => $("main h1").textContent === "A tone of the tests");
    ask();
    click($("dialog button[value=yes]"));
    await until("it is gone", () => $("main h1").textContent.includes("was deleted"));
    await go("#/trash", "Trash");
    await accessible("the trash");
    click(await until("a button", () => $("main li button")));
    await until("it is back", () => $("main li").textContent.includes("was restored"));
    expect((await fetch(`v1/assets/${id}`)).ok, "it is not there");
  },
  async "the store is counted and checked"() {
    await go("#/health", "Health");
    expect($(".numbers dd").textContent === String(Number(plan.get("tracks")) + 1), $(".numbers").innerText);
    expect(all("meter").length > 3, "no plots");
    click(all("main button").find((each) => each.textContent === "Check the store"));
    await until("the end", () => $("main p[role=status]").textContent.includes("problem"));
    expect($("main li code").textContent === "audiostore check --repair --yes", $("main").innerText);
    await accessible("the health of the store");
  },
  async "a large file goes on where the connection broke"() {
    await go("#/upload", "Upload");
    await control("cuts=2");
    const states = [];
    const observer = new MutationObserver(() => states.push($("main li")?.textContent ?? ""));
    observer.observe($("main"), { subtree: true, childList: true, characterData: true });
    choose($("#files"), await fixture("large.wav", "large.wav", "audio/wav"), await fixture("cover.png", "large.png", "image/png"));
    await until("it is stored", () => $("main li").textContent.includes("stored: A large tone"));
    observer.disconnect();
    // How far it came is shown at most a few times a second: a fast upload may show no share.
    expect(states.some((text) => /sending, \d+ %|sent: /.test(text)), "no progress was shown");
    await control("cuts=0");
    const asset = await (await fetch(`v1/assets/${$("main li a").hash.split("/").pop()}`)).json();
    expect(asset.links.thumbnail, "it has no cover");
    expect((await (await fetch(asset.links.audio)).blob()).size === (await (await fetch("test/large.wav")).blob()).size, "another size");
  },
  async "an address that leads nowhere says so"() {
    await go("#/asset/00000000-0000-4000-8000-000000000000", "Health").catch(() => {});
    await until("the reason", () => $("#trouble").textContent.includes("no asset"));
    await go("#/nowhere", "Nothing is here");
  },
  async "a service that is gone is said to be gone"() {
    await go("#/", "Library");
    await control("offline=1");
    type($("#text"), "harbour");
    await until("the reason", () => !$("#trouble").hidden && $("#trouble").textContent.includes("does not answer"));
    await accessible("trouble");
    await control("offline=0");
    click($("#trouble button"));
    await until("the track", () => all(".track").length === 1);
    expect($("#trouble").hidden, "the trouble is still shown");
  },
};

async function main() {
  await import("./axe.js");
  for (const [name, step] of Object.entries(steps)) {
    const wanted = plan.get("only");
    if (wanted && !name.includes(wanted)) continue;
    const begun = performance.now();
    let error = null;
    try {
      await step();
    } catch (thrown) {
      error = `${thrown.message || thrown}`;
    }
    report.steps.push({ name, error, ms: Math.round(performance.now() - begun) });
    if (error) break;
  }
  await fetch("test/report", { method: "POST", body: JSON.stringify(report) });
}

if (plan.has("tracks")) main();
