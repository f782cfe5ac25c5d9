// SPDX-License-Identifier: MIT
// false: does nothing, with status 1.
#include "user/lib/program.hpp"

int user::main(Arguments) { return status_failure; }
