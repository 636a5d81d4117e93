"""Steps that print as fast as they can: nobody is taken for lost, others go on, and what is not kept is counted."""

import asyncio

from tests.support.stack import Stack
from tests.system.console import Console

PRINTS = "def main():\n    for _ in range(50_000):\n        print('x')\n    return 1\n"
SAYS = "def main():\n    print('a word')\n    return 2\n"


async def test_steps_that_print_without_end_lose_nobody_an_attempt(doomed: Stack) -> None:
    async with doomed.http() as http:
        console = Console(http, patience=15)
        loud, quiet = await console.python(PRINTS), await console.python(SAYS)
        flood = await console.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {loud}}}\n")
        words = await console.workflow(
            f"name: NAME\nsteps:\n  - {{id: a, component: {quiet}}}\n"
            f"  - {{id: b, component: {quiet}, needs: [a]}}\n"
        )

        floods = [await console.start(flood["name"]) for _ in range(4)]
        others = []
        for _ in range(5):
            others.append(await console.start(words["name"]))
            seen = [event.name async for event in console.stream(others[-1])]
            assert seen[-1] == "end"
        runs = await asyncio.gather(*(console.finish(one) for one in [*floods, *others]))
        steps = [step for one in [*floods, *others] for step in (await console.steps(one)).values()]
        last = [one for one in await console.events(floods[0]) if "log" in one][-1]

    assert {one["status"] for one in runs} == {"SUCCESS"}
    assert {len(step["attempts"]) for step in steps} == {1}
    assert last["log"]["message"].startswith(
        "60,000 bytes of output were dropped, 30,000 lines: a step keeps"
    )
