"""Attacks of TypeScript components, whose code is held by Deno's permissions within the same walls."""

from typing import Final

from tests.worker.hostile.endings import Ending

REFUSED: Final = {
    "the worker's loopback": "await Deno.connect({ hostname: '127.0.0.1', port: GIVEN.port })",
    "a server by fetch": "await fetch(`http://127.0.0.1:${GIVEN.port}/`)",
    "the cloud's metadata": "await fetch('http://169.254.169.254/latest/meta-data/')",
    "a name": "await Deno.resolveDns('metadata.google.internal', 'A')",
    "a server of its own": "Deno.listen({ port: 0 })",
    "a web socket": "new WebSocket(`ws://127.0.0.1:${GIVEN.port}/`)",
    "the system's users": "await Deno.readTextFile('/etc/passwd')",
    "the environment of its keeper": "await Deno.readTextFile('/proc/1/environ')",
    "its own memory": "Deno.openSync('/proc/self/mem', { read: true, write: true })",
    "a secret outside": "await Deno.readTextFile(GIVEN.secret)",
    "a link that leads out": "Deno.symlinkSync(GIVEN.secret, '/work/link'); Deno.readTextFileSync('/work/link')",
    "the environment": "Deno.env.toObject()",
    "a program": "new Deno.Command('/bin/sh', { args: ['-c', 'id'] }).outputSync()",
    "a library": "Deno.dlopen('/lib/x86_64-linux-gnu/libc.so.6', { getpid: { parameters: [], result: 'i32' } })",
    "a signal to its keeper": "Deno.kill(1, 'SIGKILL')",
    "the host's name": "Deno.hostname()",
    "writing what it runs on": "Deno.writeTextFileSync('/mcpanel/steplib/bootstrap.ts', 'x')",
    "writing elsewhere": "Deno.writeTextFileSync('/etc/x', 'x')",
    "code from outside": "await import('https://example.com/x.ts')",
    "a package": "await import('npm:is-odd@3.0.1')",
    "a file as code": "await import('file:///etc/passwd')",
    "asking for rights": (
        "if ((await Deno.permissions.request({ name: 'net' })).state !== 'granted') throw new Error('denied')"
    ),
}
"""What must throw, all in one attempt."""

ENDINGS: Final = (
    Ending("a loop without end", "while (true) {}", "TIMED_OUT", "ran longer than", timeout=0.5),
    Ending("output without end", "while (true) console.log('x'.repeat(65000))", "TIMED_OUT", timeout=0.5),
    Ending(
        "a memory hog",
        "const kept: number[][] = []; while (true) kept.push(new Array(100000).fill(1.5))",
        "OUT_OF_MEMORY",
        r"ran out of memory: its heap may use 128 MiB|used more than 256 MiB",
    ),
    Ending(
        "a memory hog beside the heap",
        "const kept: Uint8Array[] = [];\n"
        "while (true) { kept.push(new Uint8Array(1 << 22).fill(1)); await new Promise((go) => setTimeout(go, 5)); }",
        "OUT_OF_MEMORY",
        r"used more than 256 MiB",
    ),
    Ending(
        "a full disk",
        "while (true) Deno.writeFileSync('/work/x', new Uint8Array(1 << 20), { append: true })",
        "USER_ERROR",
        r"a file may have 16 MiB|hold 16 MiB each",
    ),
    Ending(
        "too many files",
        "while (true) Deno.openSync('/work/x', { write: true, create: true })",
        "USER_ERROR",
        "1,024 files open at once|before it returned a result",  # Deno itself may miss one first
    ),
    Ending("a huge output", "return 'x'.repeat(20_000_000)", "INVALID_OUTPUT", "limit"),
    Ending(
        "a worker with more rights",
        "new Worker('data:text/javascript,', { type: 'module', deno: { permissions: { net: true } } } as any)",
        "USER_ERROR",
        "before it returned a result",
    ),
    Ending("leaving in the middle", "Deno.exit(0)", "USER_ERROR", "before it returned a result"),
    Ending("a promise that nothing keeps", "await new Promise(() => {})", "USER_ERROR", "never resolve"),
    Ending(
        "garbage for the worker",
        "Deno.openSync('/dev/fd/4', { write: true }).writeSync(new Uint8Array(4096).fill(255));\n"
        "await new Promise((go) => setTimeout(go, 60000))",
        "USER_ERROR",
        "broke its connection",
    ),
)
