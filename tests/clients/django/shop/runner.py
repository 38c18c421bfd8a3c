"""Django's test runner, with a report that another process can read.

    manage.py test --report FILE          run, and write {test: {outcome, detail, traffic}} as JSON
    manage.py test --report FILE --list   write the names only

The report is how pytest shows each test by itself, and how what a test did to one server is
compared with what it did to the other (`traffic`, which catalogue/tests/base.py notes).
"""

import json
import unittest

from django.test.runner import DiscoverRunner


class RecordingResult(unittest.TextTestResult):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.records = {}

    def note(self, test, outcome, detail=""):
        self.records[test.id()] = {
            "outcome": outcome,
            "detail": detail,
            "traffic": getattr(test, "traffic", None),
        }

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "passed")

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "error", self._exc_info_to_string(error, test))

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "failed", self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note(test, "failed", self._exc_info_to_string(error, subtest))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", reason)


def each_test(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from each_test(item)
        else:
            yield item


class RecordingRunner(DiscoverRunner):
    def __init__(self, report=None, list=False, **options):
        super().__init__(**options)
        self.report = report
        self.list = list

    @classmethod
    def add_arguments(cls, parser):
        super().add_arguments(parser)
        parser.add_argument("--report", help="write the outcome of each test to this file")
        parser.add_argument("--list", action="store_true", help="only list the tests in the report")

    def get_resultclass(self):
        return RecordingResult

    def run_tests(self, test_labels, extra_tests=None, **options):
        if not self.list:
            return super().run_tests(test_labels, extra_tests, **options)
        suite = self.build_suite(test_labels, extra_tests)
        self.write(sorted(test.id() for test in each_test(suite)))
        return 0

    def suite_result(self, suite, result, **options):
        self.write(result.records)
        return super().suite_result(suite, result, **options)

    def write(self, what):
        if self.report:
            with open(self.report, "w") as report:
                json.dump(what, report, indent=1)
