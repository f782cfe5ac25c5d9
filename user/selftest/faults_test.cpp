// SPDX-License-Identifier: MIT
// Every `fault KIND`: ends the process that does it, with the right status, and nothing else.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

namespace selftest {
namespace {

void fault(std::string_view kind) {
    const std::string_view words[] = {"fault", kind};
    // What a processor without no-execute pages can't refuse happens.
    const bool happens = kind == "noexec" && !has_no_execute();
    const auto before = REQUIRE(settled_memory());
    EXPECT_EQUAL(REQUIRE(user::run(words)), happens ? user::status_failure : fault_status);
    const auto after = REQUIRE(settled_memory(before));
    EXPECT_EQUAL(after.anonymous, before.anonymous);
    EXPECT_EQUAL(after.committed, before.committed);
}

/// Comes first: what is made once, by any spawn, is made then.
void help_is_no_fault() {
    const std::string_view words[] = {"fault", "--help"};
    EXPECT_EQUAL(REQUIRE(user::run(words)), user::status_success);
    const std::string_view unknown[] = {"fault", "everything"};
    EXPECT_EQUAL(REQUIRE(user::run(unknown)), user::status_usage);
}

#define FAULT_KIND(name)                                                                           \
    void name() { fault(#name); }
#include "user/lib/fault_kinds.def"
#undef FAULT_KIND

constexpr Test tests[] = {
    {"help_is_no_fault", help_is_no_fault},
#define FAULT_KIND(name) {#name, name},
#include "user/lib/fault_kinds.def"
#undef FAULT_KIND
};

} // namespace

constinit const Suite faults_suite{"faults", tests};

} // namespace selftest
