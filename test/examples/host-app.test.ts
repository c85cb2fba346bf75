import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { enginesOf, isAlive, until } from '../helpers/processes.ts'

const shell = promisify(execFile)
const server = resolve('examples/host-app/server.js')

interface Example { url: string, output: () => string, stop: (signal: NodeJS.Signals) => Promise<number | null>, pid: number }

async function freePort (): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  return port
}

/** Starts the example in a folder, as `npm start` does. */
async function startExample (t: Test, folder: string, env: Record<string, string> = {}): Promise<Example> {
  const port = await freePort()
  const { DATABASE_URL, SNAPSHOT_DIR, SNAPSHOT_ADMIN_TOKEN, ...inherited } = process.env
  const child = spawn(process.execPath, [server], { cwd: folder, env: { ...inherited, PORT: String(port), ...env } })
  t.teardown(() => { child.kill('SIGKILL') })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  await until(`the example is ready: ${output}`, () => output.includes('Ready at') || child.exitCode !== null)
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    pid: child.pid as number,
    stop: async signal => {
      const exited = once(child, 'exit')
      child.kill(signal)
      return (await exited)[0]
    }
  }
}

t.test('the curl lines that the example prints work as they stand', async t => {
  const folder = t.testdir()
  const { url, output, stop } = await startExample(t, folder)
  const notes = async (): Promise<string> => (await shell('curl', ['-s', `${url}/notes`])).stdout
  t.equal(JSON.parse(await notes()).length, 3, 'there is sample data')
  const lines = output().split('\n').filter(line => line.startsWith('curl '))
  t.equal(lines.length, 5)
  const [create, list, restore, health, metrics] = lines.map(line => async () => (await shell('bash', ['-c', `${line} -sf`])).stdout) as Array<() => Promise<string>>

  t.match(JSON.parse(await (create as () => Promise<string>)()), { name: 'first', status: 'COMPLETED' })
  const before = await notes()
  await shell('curl', ['-s', '-X', 'POST', `${url}/notes`, '-H', 'Content-Type: application/json', '-d', '{"text": "one more"}'])
  t.match(JSON.parse(await (list as () => Promise<string>)()), { snapshots: [{ name: 'first' }] })
  t.match(JSON.parse(await (restore as () => Promise<string>)()), { status: 'SUCCESS' })
  t.equal(await notes(), before, 'the running application has its old notes again')
  t.match(JSON.parse(await (health as () => Promise<string>)()), { status: 'ok', reasons: [] })
  t.match(await (metrics as () => Promise<string>)(), /snapshot_restores_total\{database="notes",outcome="success"\} 1/)
  t.equal(await stop('SIGTERM'), 0, 'it ends when told to')
})

t.test('a token that was given is used and never printed', async t => {
  const token = 'a-secret-of-the-operator'
  const { url, output, stop } = await startExample(t, t.testdir(), { SNAPSHOT_ADMIN_TOKEN: token })
  const { stdout } = await shell('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', `${url}/snapshots`, '-H', `Authorization: Bearer ${token}`])
  t.equal(stdout, '200')
  await stop('SIGINT')
  t.notOk(output().includes(token))
})

t.test('with DATABASE_URL it serves the snapshots of that database and changes nothing in it', async t => {
  const folder = t.testdir({ prisma: {} })
  const path = join(folder, 'prisma', 'dev.db')
  makeDatabase(path).close()
  const before = contentOf(path)
  const { mtimeMs } = statSync(path)
  const token = 'a-secret-of-the-operator'
  const { url, pid, stop } = await startExample(t, folder, { DATABASE_URL: 'file:./prisma/dev.db', SNAPSHOT_ADMIN_TOKEN: token, SNAPSHOT_VIEWER_TOKEN: 'a-token-for-viewers' })
  const { stdout } = await shell('curl', ['-sf', '-X', 'POST', `${url}/snapshots`, '-H', `Authorization: Bearer ${token}`])
  t.match(JSON.parse(stdout), { database: 'dev', status: 'COMPLETED' })
  await stop('SIGTERM')
  t.same(enginesOf(pid).filter(isAlive), [])
  t.equal(statSync(path).mtimeMs, mtimeMs)
  t.same(contentOf(path), before)
  t.notOk(existsSync(join(folder, 'data')))
})
