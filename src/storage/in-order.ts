/**
 * The results of tasks in the order of the tasks. So many of them, with the one whose result is in use, are under way or waiting
 * for their turn at once; nothing starts before the first result is asked for.
 */
export async function * inOrder<T> (tasks: Iterable<() => Promise<T>>, limit: number): AsyncGenerator<T> {
  const iterator = tasks[Symbol.iterator]()
  const running: Array<Promise<T>> = []
  const startOne = (): void => {
    const step = iterator.next()
    if (step.done === true) return
    const task = step.value()
    task.catch(() => {}) // its turn to fail comes when it is awaited
    running.push(task)
  }
  for (let started = 0; started < limit; started++) startOne()
  for (let next = running.shift(); next !== undefined; next = running.shift()) {
    yield await next
    startOne()
  }
}
