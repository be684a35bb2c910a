// What changed between two texts, word by word (longest common subsequence).

const MOST = 4_000_000; // cells of the table; longer texts are shown without marks

export function wordDiff(before, after) {
  const a = before.match(/\S+/g) || [], b = after.match(/\S+/g) || [];
  if (a.length * b.length > MOST) return null;
  const width = b.length + 1, best = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i * width + j] = a[i] === b[j] ? best[(i + 1) * width + j + 1] + 1
        : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const kept = [new Set(), new Set()];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { kept[0].add(i++); kept[1].add(j++); }
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++;
    else j++;
  }
  return { before: runs(before, kept[0]), after: runs(after, kept[1]), removed: a.length - kept[0].size, added: b.length - kept[1].size };
}

// Stretches of a text that stayed or changed; together they are the text.
function runs(text, kept) {
  const found = [];
  let word = 0;
  for (const part of text.match(/\s+|\S+/g) || []) {
    const space = /^\s/.test(part);
    const changed = space ? Boolean(found.at(-1)?.changed) && !kept.has(word) : !kept.has(word++);
    if (found.at(-1)?.changed === changed) found.at(-1).text += part;
    else found.push({ text: part, changed });
  }
  return found;
}
