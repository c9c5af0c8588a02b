// What a program printed, as text for people: colours of a terminal are left out, other control characters are shown, not obeyed.

// oxlint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;?]*[A-Za-z]/g
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g

export const visible = (text: string): string =>
  text
    .replace(COLOURS, '')
    .replace(CONTROLS, (found) => {
      const code = found.charCodeAt(0)
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd'
    })
    .replace(/\u240d$/, '')
