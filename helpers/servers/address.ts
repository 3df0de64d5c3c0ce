/** Where a server is, as `fetch` takes it: over HTTP, and with the user and the password of its URL in a header instead. */
export function addressOf(text: string): { url: URL; headers: Record<string, string> } {
  const url = new URL(text.replace(/^libsql:/, 'https:').replace(/^ws(s?):/, 'http$1:'))
  const who = [url.username, url.password].map(decodeURIComponent).join(':')
  const headers: Record<string, string> = url.username ? { Authorization: `Basic ${Buffer.from(who).toString('base64')}` } : {}
  url.username = url.password = ''
  return { url, headers }
}
