--
-- PostgreSQL database cluster dump
--

\restrict GFdOKrffHsGYzXzGz8kTKSVKomSmsU6gfRhbLGSxTIbkmMncS1yStqpYfezlGWK

SET default_transaction_read_only = off;

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;



\unrestrict GFdOKrffHsGYzXzGz8kTKSVKomSmsU6gfRhbLGSxTIbkmMncS1yStqpYfezlGWK

--
-- PostgreSQL database cluster dump complete
--

