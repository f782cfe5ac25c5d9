// SPDX-License-Identifier: MIT
// true: does nothing, successfully. The smallest program there is.
#include "user/lib/program.hpp"

int user::main(Arguments) { return status_success; }
