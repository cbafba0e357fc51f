"""Opens a report in Chromium at two widths in both schemes, and uses every control.

    python3 tests/report/browser.py CHROMIUM REPORT.html [PICTURES]

Needs nothing but Python and a Chromium (Debian: `chromium-headless-shell`), to which it talks by the DevTools protocol over pipes. Says what it found
wrong, a line each, and exits with 1 where that is anything. With PICTURES, what was seen lies in that folder.
"""

import base64
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time

CHROMIUM, PAGE = sys.argv[1], pathlib.Path(sys.argv[2]).resolve().as_uri()
PICTURES = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
# Longer than this no answer takes.
PATIENCE = 60


class Browser:
    def __init__(self, folder):
        # The protocol's pipes are the descriptors 3 and 4.
        command = 'exec "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(["sh", "-c", command, CHROMIUM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count, self.rest, self.events, self.session = 0, b"", [], None
        pages = [target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(domain + ".enable")

    def message(self):
        until = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            block = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            if not block:
                sys.exit(f"{CHROMIUM} does not answer")
            self.rest += block
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while True:
            reply = self.message()
            if reply.get("id") == self.count:
                if "error" in reply:
                    sys.exit(f"{method}: {reply['error']}")
                return reply["result"]
            self.events.append(reply)

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, width=1280, scheme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=PAGE)
        until = time.monotonic() + PATIENCE
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > until:
                sys.exit("the page does not load")
            self.events.append(self.message())
        time.sleep(0.3)

    def logged(self):
        """What stands on the console, whatever its level."""
        methods = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"])[:300] for event in self.events if event.get("method") in methods]

    def mouse(self, kind, x, y, held=False):
        button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {"button": "left" if held else "none", "buttons": int(held)}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def drag(self, start, end):
        self.mouse("mousePressed", *start)
        self.mouse("mouseMoved", *end, held=True)
        self.mouse("mouseReleased", *end)

    def picture(self, name, whole=False):
        if PICTURES:
            PICTURES.mkdir(parents=True, exist_ok=True)
            shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
            (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def box(browser, selector):
    """Where the first that a selector finds is, once it is scrolled to; nothing where there is none."""
    return browser.js(f"""(() => {{
        const it = document.querySelector({json.dumps(selector)}); if (!it) return null;
        it.scrollIntoView({{block: 'center'}}); const r = it.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }})()""")


# Short words of headings that stand on several lines.
BROKEN = """(() => { const broken = [], range = document.createRange();
    document.querySelectorAll('h1, h2, h3, th, figcaption, summary').forEach(head => {
        const walker = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode())
            for (const word of node.data.matchAll(/\\S{2,24}/g)) {
                range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
                const lines = new Set([...range.getClientRects()].map(it => Math.round(it.top)));
                if (lines.size > 1 && !head.closest('.heat')) broken.push(word[0]);
            } });
    return broken.slice(0, 5) })()"""


def looks(browser):
    for width in (1280, 375):
        for scheme in ("light", "dark"):
            browser.open(width, scheme)
            at = f"{width} pixels, {scheme}"
            yield from (f"{at}: on the console: {line}" for line in browser.logged())
            wide = browser.js("document.documentElement.scrollWidth")
            if wide > width:
                yield f"{at}: the page is {wide} pixels wide"
            beyond = browser.js("""[...document.querySelectorAll('body *')].filter(it => it.getBoundingClientRect().right > innerWidth + 1
                && !it.closest('.wide, nav, pre')).slice(0, 5).map(it => it.tagName + '.' + it.className).join(' ')""")
            if beyond:
                yield f"{at}: beyond the edge: {beyond}"
            yield from (f"{at}: a heading is broken within a word: {word}" for word in browser.js(BROKEN))
            dark = browser.js("""(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
                return r + g + b < 384 })()""")
            if dark != (scheme == "dark"):
                yield f"{at}: the background is {'dark' if dark else 'light'}"
            browser.picture(f"{width}-{scheme}", whole=True)


def tables(browser):
    """Every heading sorts by what its cells are worth, and a second and a third press give the order back."""
    browser.js("document.querySelectorAll('details').forEach(it => it.open = true)")
    pressed, wrong = browser.js("""(() => { let pressed = 0; const wrong = [];
        document.querySelectorAll('th button').forEach(button => {
            const head = button.closest('th'), body = button.closest('table').tBodies[0];
            const order = () => [...body.rows].map(row => row.textContent).join('|'), before = order();
            button.click();
            const values = [...body.rows].map(row => row.cells[head.cellIndex]?.dataset.v).filter(it => it !== undefined).map(Number);
            if (head.classList.contains('n') && values.some((value, at) => at > 0 && value > values[at - 1])) wrong.push('sorted by ' + button.textContent);
            button.click(); button.click();
            if (order() !== before) wrong.push('given back by ' + button.textContent);
            pressed += 1 });
        return [pressed, wrong] })()""")
    yield from (f"a table is not {it}" for it in wrong)
    if pressed == 0:
        yield "no table can be sorted"


def filters(browser):
    for counts in browser.js("""[...document.querySelectorAll('.mistakes')].map(it => { const select = it.querySelector('select');
            return select ? [...select.options].map(option => { select.value = option.value; select.dispatchEvent(new Event('change'));
                return it.querySelectorAll('article:not(.off)').length }) : [1] })"""):
        if min(counts) == 0 or counts[0] != max(counts):
            yield f"a filter of mistakes shows {counts}"
    if browser.js("!document.querySelector('.find')"):
        return
    rows = "document.querySelectorAll('table.trials tbody tr:not(.off)').length"
    every = browser.js(rows)
    browser.js("(() => { const it = document.querySelector('.find'); it.value = 'no trial is called so'; it.dispatchEvent(new Event('input')) })()")
    none, has_reset = browser.js(rows), browser.js("!document.querySelector('.reset').hidden")
    browser.js("document.querySelector('.reset').click()")
    if (none, has_reset, browser.js(rows)) != (0, True, every):
        yield f"of {every} trials {none} are found by no name, {browser.js(rows)} after the reset"


def brushes(browser):
    found = box(browser, ".pc .brush")
    if not found:
        return
    (x, y, width, height), off = found, "document.querySelectorAll('.way.off').length"
    middle, ways = x + width / 2, browser.js("document.querySelectorAll('.way').length")
    # All ways may go through one end of an axis; through both they do not.
    for start, end in ((0.02, 0.3), (0.7, 0.98)):
        browser.drag((middle, y + height * start), (middle, y + height * end))
        brushed = browser.js(off)
        browser.picture("brushed")
        # A press without a way gives all of them back.
        browser.drag((middle, y + height * 0.5), (middle, y + height * 0.5))
        if browser.js(off) != 0:
            yield f"of {ways} ways {browser.js(off)} are left out by a brush that is gone"
        if brushed:
            return
    yield f"no brush leaves out any of {ways} ways"


def charts(browser):
    drawn, wanted = browser.js("[document.querySelectorAll('.uplot').length, document.querySelectorAll('[data-chart]').length]")
    if drawn != wanted:
        yield f"{drawn} of {wanted} charts are drawn"
    found = box(browser, ".u-over")
    if not found:
        return
    x, y, width, height = found
    legend = "document.querySelector('.uplot .u-legend').textContent"
    before = browser.js(legend)
    browser.mouse("mouseMoved", x + width / 2, y + height / 2)
    if browser.js(legend) == before:
        yield "a chart tells no values where the mouse is"
    axis = "document.querySelector('.uplot canvas').toDataURL()"
    before = browser.js(axis)
    browser.drag((x + width * 0.2, y + height / 2), (x + width * 0.6, y + height / 2))
    time.sleep(0.3)
    if browser.js(axis) == before:
        yield "a chart cannot be zoomed into"
    browser.picture("zoomed")


def without_script(browser):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open()
    sections, empty, charts_drawn = browser.js("""[document.querySelectorAll('section').length,
        [...document.querySelectorAll('section')].filter(it => it.innerText.length < 20).map(it => it.id), document.querySelectorAll('.uplot').length]""")
    if sections < 3 or empty or charts_drawn:
        yield f"without a script: {sections} sections, of which {empty} are empty, and {charts_drawn} charts"
    browser.picture("without-script", whole=True)


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            wrong = list(looks(browser))
            browser.open(scheme="dark")
            for control in (tables, filters, brushes, charts):
                wrong += control(browser)
            if len(base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])) < 10_000:
                wrong.append("the printed page is empty")
            wrong += (f"while it was used, on the console: {line}" for line in browser.logged())
            wrong += without_script(browser)
        finally:
            browser.process.kill()
            browser.process.wait()
    print("\n".join(wrong) if wrong else "nothing is wrong")
    return 1 if wrong else 0


sys.exit(main())
