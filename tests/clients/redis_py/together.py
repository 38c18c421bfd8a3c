"""Threads that do the same thing at once."""

import threading


def together(work, threads):
    """Runs `work` in so many threads at once; what one of them raises is raised here."""
    raised = []

    def guarded():
        try:
            work()
        except BaseException as problem:  # noqa: B902 - it is raised again below
            raised.append(problem)

    running = [threading.Thread(target=guarded) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if raised:
        raise raised[0]
