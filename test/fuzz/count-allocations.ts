/** The largest single piece of memory for bytes that is asked for while it counts; `Buffer` and typed arrays alike. */

type Sized = (length: number, ...rest: never[]) => unknown

let largest = 0
let counting = false

function note(bytes: unknown): void {
  if (counting && typeof bytes === 'number' && bytes > largest) largest = bytes
}

function watchFunction(owner: object, name: string, bytes: (...args: unknown[]) => unknown): void {
  const original = Reflect.get(owner, name) as Sized
  Reflect.set(owner, name, function watched(this: unknown, ...args: unknown[]) {
    note(bytes(...args))
    return Reflect.apply(original, this, args)
  })
}

function watchConstructor(name: 'ArrayBuffer' | 'Uint8Array' | 'Uint16Array' | 'Uint32Array', width: number): void {
  const original = globalThis[name] as unknown as new (...args: unknown[]) => object
  const watched = new Proxy(original, {
    construct(constructor, args: unknown[], newTarget: new (...args: never[]) => object) {
      if (typeof args[0] === 'number') note(args[0] * width)
      return Reflect.construct(constructor, args, newTarget)
    },
  })
  Reflect.set(globalThis, name, watched)
}

let watching = false

function watch(): void {
  watching = true
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow']) watchFunction(Buffer, name, (length) => length)
  watchFunction(
    Buffer,
    'concat',
    (list, length) => length ?? (list as Uint8Array[]).reduce((sum, { length }) => sum + length, 0),
  )
  watchConstructor('ArrayBuffer', 1)
  watchConstructor('Uint8Array', 1)
  watchConstructor('Uint16Array', 2)
  watchConstructor('Uint32Array', 4)
}

/** Starts; `end` stops and gives the bytes. */
export function countAllocations(): { end(): number } {
  if (!watching) watch()
  largest = 0
  counting = true
  return {
    end() {
      counting = false
      return largest
    },
  }
}
