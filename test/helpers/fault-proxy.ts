import { once } from 'node:events'
import { createServer, request as send, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

/** What goes wrong with a request. */
export type Fault =
  /** The connection is reset before the server has seen the request. */
  | 'reset'
  /** The server does it, and its answer is lost. */
  | 'lose-answer'
  /** No answer ever comes; the server has not seen the request. */
  | 'hang'
  /** Of the answer's body a half comes, then the connection ends. */
  | 'cut'
  /** Of the answer's body a half comes, then nothing. */
  | 'stall'
  /** Of the answer's body a half comes, then a byte now and then. */
  | 'trickle'
  /** A byte of the answer's body is another. */
  | 'corrupt-answer'
  /** A byte of the request's body is another. */
  | 'corrupt-request'
  | 'slow-down'
  | { delay: number }
  /** The server sees the request when this is settled. */
  | { until: Promise<unknown> }
  /** Another answer, in place of the server's. */
  | { status: number, code?: string, body?: string, headers?: Record<string, string> }
  /** The server's answer with other headers; null takes one away. */
  | { headers: Record<string, string | null> }

/** A request as a decision on its fault sees it. */
export interface SeenRequest {
  /** 1 for the first through this proxy. */
  number: number
  method: string
  /** Path and query. */
  url: string
  headers: IncomingHttpHeaders
}

/**
 * Stands before an S3 server and lets requests go wrong. The Host header is passed on as it came: it is signed. Bodies are held in
 * memory, as they are at most a part.
 */
export class FaultProxy {
  readonly requests: SeenRequest[] = []
  /** Requests whose answer has neither ended nor been given up. */
  open = 0
  /** Decides on every request; nothing goes wrong at first. */
  decide: (request: SeenRequest) => Fault | undefined = () => undefined
  readonly #upstream: URL
  readonly #passed = new Set<ClientRequest>()
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => { response.destroy() })
  })

  /** @param endpoint of the server behind it */
  static async start (t: Test, endpoint: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(endpoint)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.teardown(() => {
      proxy.#server.close()
      proxy.#server.closeAllConnections()
      for (const passed of proxy.#passed) passed.destroy() // the server may be waiting for the rest of a body that was cut or changed
    })
    return proxy
  }

  private constructor (endpoint: string) {
    this.#upstream = new URL(endpoint)
  }

  get endpoint (): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Lets the n-th request from now on that fits go wrong, and no other. */
  fail (fault: Fault, { nth = 1, fits = () => true }: { nth?: number, fits?: (request: SeenRequest) => boolean } = {}): void {
    let count = 0
    this.decide = request => fits(request) && ++count === nth ? fault : undefined
  }

  async #answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { number: this.requests.length + 1, method: String(request.method), url: String(request.url), headers: request.headers }
    this.requests.push(seen)
    this.open++
    response.once('close', () => { this.open-- })
    const fault = this.decide(seen)
    if (fault === 'reset') return reset(request)
    const body = await buffer(request)
    if (fault === 'hang') return
    if (fault === 'slow-down') return refuse(response, { status: 503, code: 'SlowDown' })
    if (typeof fault === 'object' && 'status' in fault) return refuse(response, fault)
    if (typeof fault === 'object' && 'delay' in fault) await sleep(fault.delay)
    if (typeof fault === 'object' && 'until' in fault) await fault.until

    const answer = await this.#pass(request, fault === 'corrupt-request' ? corrupted(body) : body)
    if (fault === 'lose-answer') return reset(request)
    const headers = typeof fault === 'object' && 'headers' in fault ? changed(answer.headers, fault.headers) : answer.headers
    response.writeHead(answer.status, headers)
    if (fault === 'trickle') await trickle(response, answer.body)
    else if (fault === 'cut' || fault === 'stall') response.write(answer.body.subarray(0, answer.body.length / 2), () => { if (fault === 'cut') response.destroy() })
    else response.end(fault === 'corrupt-answer' ? corrupted(answer.body) : answer.body)
  }

  async #pass (request: IncomingMessage, body: Buffer): Promise<{ status: number, headers: IncomingHttpHeaders, body: Buffer }> {
    const { hostname: host, port } = this.#upstream
    const passed = send({ host, port, method: request.method, path: request.url, headers: { ...request.headers, connection: 'close' } }).end(body)
    this.#passed.add(passed)
    passed.once('close', () => { this.#passed.delete(passed) })
    passed.on('error', () => {}) // the server may answer and close before it has read all; what comes before an answer is thrown here
    const [answer] = await once(passed, 'response') as [IncomingMessage]
    return { status: Number(answer.statusCode), headers: answer.headers, body: await buffer(answer) }
  }
}

function reset ({ socket }: IncomingMessage): void {
  // Node cannot reset what is being shut down, as the client has ended it: the socket would be left, and the process not end.
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

async function trickle (response: ServerResponse, body: Buffer): Promise<void> {
  const half = body.length >> 1
  response.write(body.subarray(0, half))
  for (let at = half; at < body.length && !response.destroyed; at++) {
    await sleep(50)
    response.write(body.subarray(at, at + 1))
  }
  response.end()
}

function refuse (response: ServerResponse, { status, code, body, headers }: { status: number, code?: string, body?: string, headers?: Record<string, string> }): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers })
  response.end(body ?? (code === undefined ? '' : `<Error><Code>${code}</Code><Message>as the test says</Message></Error>`))
}

function corrupted (bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  const middle = copy.length >> 1
  if (copy.length > 0) copy.writeUInt8(copy.readUInt8(middle) ^ 1, middle)
  return copy
}

function changed (headers: IncomingHttpHeaders, changes: Record<string, string | null>): IncomingHttpHeaders {
  const entries = Object.entries({ ...headers, ...changes }).filter(([, value]) => value !== null)
  return Object.fromEntries(entries) as IncomingHttpHeaders
}
