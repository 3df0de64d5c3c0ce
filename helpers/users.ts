import pLimit from 'p-limit'
import { Client } from 'undici'
import type { Cell } from './website.ts'

/** How many users do what for how long, in which cell. Each sends its next request when its last is answered. */
export type Load = Partial<Cell> & {
  users: number
  /** A page of `web-application.ts`. */
  page?: string
  /** So many requests in all, or as many as begin within so many seconds. */
  requests?: number
  seconds?: number
  /** Each request's slow part lasts until so many are at theirs or have been turned away before it. */
  rendezvous?: number
  /** Ends the load early, and rejects it. */
  signal?: AbortSignal
  onAnswer?: (answer: Answer) => void
}

/** One answer of the web server, as a user meets it. Times are those of `process.hrtime`, one clock for the whole machine. */
export type Answer = {
  user: number
  page: string
  username: string
  /** When the request was sent, and when it was answered, in nanoseconds. */
  began: bigint
  ended: bigint
  /** What the page says. */
  body: string
  /** The user's number, if one was created. */
  number?: number
  /** When its transaction had begun, and when it was about to commit, in nanoseconds. */
  inside?: [began: bigint, ended: bigint]
  /** Why the user was turned away: the code, of SQLite or SQLSTATE, the message, and the statement that they struck, where the server tells. */
  refusal?: { code: string; message: string; statement?: string }
}

export const confirmed = (answers: Answer[]) => answers.filter(({ refusal }) => !refusal)
export const refused = (answers: Answer[]) => answers.filter(({ refusal }) => refusal)

/** Milliseconds from request to answer. */
export const took = ({ began, ended }: Answer) => Number(ended - began) / 1e6

/** Counts the names made up by this process: no two are the same. */
let names = 0

/**
 * Lets users loose on a web server, each with a connection of its own, and resolves to the answers, in the order in which
 * they came. A locked database is an answer; any other error, of the network or the server, rejects.
 */
export async function usersOf(url: string, load: Load): Promise<Answer[]> {
  const { users, page = 'create_user', requests = Number.POSITIVE_INFINITY, seconds, signal, onAnswer, ...wishes } = load
  const answers: Answer[] = []
  const deadline = performance.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1_000
  let sent = 0

  async function user(number: number): Promise<void> {
    const connection = new Client(url, { headersTimeout: 0, bodyTimeout: 0 }) // to be patient is the server's business
    const leave = () => connection.destroy()
    signal?.addEventListener('abort', leave)
    try {
      while (sent < requests && performance.now() < deadline) {
        signal?.throwIfAborted()
        sent += 1
        const username = `user-${number}-${++names}`
        const query = new URLSearchParams({ username, ...(wishes as Record<string, string>) })
        const began = process.hrtime.bigint()
        const response = await get(connection, `/${page}/?${query}`)
        const answer = { user: number, page, username, began, ended: process.hrtime.bigint(), ...read(response) }
        answers.push(answer)
        onAnswer?.(answer)
      }
    } finally {
      signal?.removeEventListener('abort', leave)
      await connection.destroy()
    }
  }

  const crowd = pLimit(users)
  await Promise.all(Array.from({ length: users }, (_, number) => crowd(user, number + 1)))
  return answers
}

type Response = { status: number; headers: Record<string, string | string[] | undefined>; body: string }

/** One request, without the stream that undici would make of each answer: it costs the users a third of their rate. */
function get(connection: Client, path: string): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const body: Buffer[] = []
  let head: Pick<Response, 'status' | 'headers'>
  connection.dispatch(
    { method: 'GET', path },
    {
      onRequestStart() {},
      onResponseStart: (_, status, headers) => {
        head = { status, headers }
      },
      onResponseData: (_, chunk) => body.push(chunk),
      onResponseEnd: () => resolve({ ...head, body: `${Buffer.concat(body)}` }),
      onResponseError: (_, error) => reject(error),
    },
  )
  return promise
}

function read({ status, headers, body }: Response): Pick<Answer, 'body' | 'number' | 'inside' | 'refusal'> {
  if (status === 200) {
    const number = /^User created, num users: (\d+)$/.exec(body)?.[1]
    const inside = `${headers['x-inside'] ?? ''}`.split('-')
    return { body, ...(number && { number: Number(number), inside: [BigInt(inside[0]), BigInt(inside[1])] }) }
  }
  const refusal = status === 500 && body.startsWith('{') && JSON.parse(body)
  if (/^(SQLITE_(BUSY|LOCKED)|40001$|40P01$|55P03$)/.test(refusal.code)) return { body, refusal }
  throw new Error(`the web server fails for another reason than a lock: ${status} ${body}`)
}
