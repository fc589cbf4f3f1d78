#pragma once

// Catch2 2 and 3 differ in their headers only, as far as these tests go. To be included last: its
// macros have common names.
#ifdef STASIS_CATCH2_V2
#include <catch2/catch.hpp>
#else
#include <catch2/catch_test_macros.hpp>
#endif
