// Draws the overview of an asset: 200 bars, each a digit of base64url for a height of 0 to 63.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export const barsOf = (asset) => (asset.overview ? [...asset.overview].map((digit) => DIGITS.indexOf(digit)) : null);

/** Draw bars into a canvas, the played share of them in another colour. */
export function draw(canvas, bars, played = 0) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth) return;
  const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const colours = getComputedStyle(canvas);
  context.clearRect(0, 0, width, height);
  if (!bars) {
    for (const [share, name] of [[1, "--bar"], [played, "--played"]]) {
      context.fillStyle = colours.getPropertyValue(name);
      context.fillRect(0, height / 2 - scale, width * share, 2 * scale);
    }
    return;
  }
  const count = Math.min(bars.length, Math.max(20, Math.floor(clientWidth / 3)));
  const step = width / count;
  for (let at = 0; at < count; at += 1) {
    const from = Math.floor((at * bars.length) / count);
    const to = Math.max(from + 1, Math.floor(((at + 1) * bars.length) / count));
    const tall = Math.max(2 * scale, (Math.max(...bars.slice(from, to)) / 63) * height);
    context.fillStyle = colours.getPropertyValue(at / count < played ? "--played" : "--bar");
    context.fillRect(at * step, (height - tall) / 2, Math.max(1, step - scale), tall);
  }
}

/** Draw a canvas once it is seen, and again when its size or the colours of the system change. */
export function drawn(canvas, bars, played = () => 0) {
  const redraw = () => canvas.isConnected && draw(canvas, bars, played());
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return redraw;
}
