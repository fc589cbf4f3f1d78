// With Catch2 3 the library Catch2::Catch2WithMain has a main() of its own.
#ifdef STASIS_CATCH2_V2
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
