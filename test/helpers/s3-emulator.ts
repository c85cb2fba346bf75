import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildApp } from 'fauxqs'
import type { Test } from 'tap'
import type { S3StorageOptions } from '../../src/index.ts'

/**
 * An S3 server in this process, stopped when the test ends, with an empty bucket. What the emulator lacks stands before it:
 * conditional writes, listings in the order of bytes, and the list of uploads that were never completed. It checks no
 * credentials.
 */
export async function startS3Emulator (t: Test): Promise<S3StorageOptions & { endpoint: string }> {
  const app = buildApp({ logger: false })
  await app.ready()
  const emulator = new Emulator(app)
  const server = createServer((request, response) => { void emulator.answer(request, response) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await app.close()
  })
  await app.inject({ method: 'PUT', url: '/bucket' })
  return {
    bucket: 'bucket',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' }
  }
}

class Emulator {
  readonly #app: ReturnType<typeof buildApp>
  /** Conditional writes of a path wait for one another, so that of racing writers one is first. */
  readonly #turns = new Map<string, Promise<void>>()
  /** Keys of uploads in parts that were begun and neither completed nor aborted. */
  readonly #uploads = new Map<string, string>()

  constructor (app: ReturnType<typeof buildApp>) {
    this.#app = app
  }

  async answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request
    const { pathname, searchParams: query } = new URL(url, 'http://localhost')
    const upload = query.get('uploadId')
    if (upload !== null && method !== 'PUT') this.#uploads.delete(upload)

    if (method === 'GET' && query.has('uploads')) return answerXml(response, this.#listUploads(query))
    if (method === 'GET' && query.has('list-type')) return await this.#answerWith(request, response, sortByBytes)
    if (method === 'POST' && query.has('uploads')) return await this.#answerWith(request, response, text => this.#noteUpload(text, pathname))
    if (method !== 'PUT' || request.headers['if-none-match'] !== '*') return await this.#pass(request, response)

    const before = this.#turns.get(pathname)
    const turn = (async () => {
      await before
      if ((await this.#app.inject({ method: 'HEAD', url: pathname })).statusCode !== 200) return await this.#pass(request, response)
      request.resume()
      answerXml(response, '<Error><Code>PreconditionFailed</Code></Error>', 412)
    })()
    this.#turns.set(pathname, turn)
    await turn
  }

  async #pass (request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#app.routing(request, response)
    await once(response, 'close')
  }

  async #answerWith (request: IncomingMessage, response: ServerResponse, change: (text: string) => string): Promise<void> {
    const { method, url, headers } = request
    const { payload, statusCode } = await this.#app.inject({ method: method as 'GET', url: String(url), headers: headers as Record<string, string> })
    answerXml(response, change(payload), statusCode)
  }

  #noteUpload (text: string, pathname: string): string {
    const id = /<UploadId>(.*)<\/UploadId>/.exec(text)?.[1]
    if (id !== undefined) this.#uploads.set(id, pathname.split('/').slice(2).join('/'))
    return text
  }

  /** A page of two. */
  #listUploads (query: URLSearchParams): string {
    const found = [...this.#uploads].filter(([, key]) => key.startsWith(query.get('prefix') ?? '')).sort()
    const rest = found.filter(([id]) => id > (query.get('upload-id-marker') ?? ''))
    const page = rest.slice(0, 2).map(([id, key]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>
      <NextKeyMarker>${key}</NextKeyMarker><NextUploadIdMarker>${id}</NextUploadIdMarker>`)
    const markers = page.at(-1)?.split('</Upload>')[1] ?? ''
    return `<ListMultipartUploadsResult>${page.map(entry => entry.split('<Next')[0]).join('')}${markers}<IsTruncated>${String(rest.length > 2)}</IsTruncated></ListMultipartUploadsResult>`
  }
}

function answerXml (response: ServerResponse, text: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(text)
}

/** The emulator lists in the order of a language. */
function sortByBytes (text: string): string {
  const keyOf = (entry: string): string => String(/<Key>(.*?)<\/Key>/.exec(entry)?.[1])
  const entries = (text.match(/<Contents>.*?<\/Contents>/gs) ?? []).sort((one, other) => keyOf(one) < keyOf(other) ? -1 : 1)
  return text.replace(/<Contents>.*<\/Contents>/s, entries.join(''))
}
