<?php
// Saying a sentence with its proof; how the sentences reach pytest is told in ../scripted.py.

declare(strict_types=1);

const PROVED_WITHIN_SECONDS = 30;
const POLL_MICROSECONDS = 10_000;

function check(string $sentence, callable $proof): void
{
    $problem = null;
    try {
        $proof();
    } catch (Throwable $error) {
        $problem = (string) $error;
    }
    $report = ['sentence' => $sentence, 'problem' => $problem];
    echo json_encode($report, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

function same(mixed $wanted, mixed $found): void
{
    if ($wanted !== $found) {
        $shown = fn ($it) => substr(var_export($it, true), 0, 400);
        throw new AssertionError('wanted ' . $shown($wanted) . ', found ' . $shown($found));
    }
}

function holds(bool $truth, string $what): void
{
    same(true, $truth ?: $what);
}

// The message of what the program throws.
function raised(callable $program): string
{
    try {
        $program();
    } catch (RedisException $error) {
        return $error->getMessage();
    }
    throw new AssertionError('nothing was raised');
}

function becomesTrue(callable $question): void
{
    $until = microtime(true) + PROVED_WITHIN_SECONDS;
    while (!$question()) {
        holds(microtime(true) < $until, 'it never became true');
        usleep(POLL_MICROSECONDS);
    }
}
