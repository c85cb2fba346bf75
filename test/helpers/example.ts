import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { Test } from 'tap'
import { until } from './processes.ts'

const server = resolve('examples/host-app/server.js')

export interface Example { url: string, output: () => string, stop: (signal: NodeJS.Signals) => Promise<number | null>, pid: number }

/** A port that nobody uses right now. */
export async function freePort (): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  return port
}

/** Starts the example in a folder, as `npm start` does. */
export async function startExample (t: Test, folder: string, env: Record<string, string> = {}): Promise<Example> {
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
